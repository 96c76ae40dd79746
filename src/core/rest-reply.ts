/** The default headers of the gateway's plain HTTP replies. The `headers` argument of `jsonReply` can replace them. */
const JSON_HEADERS = { "content-type": "application/json", "cache-control": "no-store" };

export function jsonReply(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { ...JSON_HEADERS, ...headers } });
}

/** The error codes of plain HTTP replies, each with its HTTP status and text (proto/README.md, "Public REST"). */
const REST_ERRORS = {
  invalid_request: [400, "the request is not what this call takes"],
  unauthenticated: [401, "the bearer token is missing or wrong"],
  forbidden: [403, "this request is not served"],
  not_found: [404, "there is nothing here"],
  method_not_allowed: [405, "this call does not take the method"],
  event_id_reused: [409, "the event id belongs to another event"],
  payload_too_large: [413, "the body is too large"],
  unsupported_media_type: [415, "the body must be application/json"],
  misdirected: [421, "this connection is not one on which requests are served"],
  rate_limited: [429, "too many requests"],
  header_fields_too_large: [431, "the head of the request is too large"],
  internal: [500, "an internal error occurred"],
  not_implemented: [501, "the method is not one that is served"],
  backend_bad_response: [502, "the backend gave an answer that cannot be passed on"],
  unavailable: [503, "the call cannot be served now; repeat it"],
  backend_unavailable: [503, "the backend cannot be reached at the moment"],
  shutting_down: [503, "the gateway is shutting down; reconnect"],
  backend_timeout: [504, "the backend did not answer in time"],
} as const satisfies Record<string, readonly [number, string]>;

export type RestErrorCode = keyof typeof REST_ERRORS;

/** An error reply to a plain HTTP call. Throw it in a handler. */
export class RestError extends Error {
  readonly code: RestErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  /** `detail` is sent to the client. It describes what is wrong, for example which field is invalid. */
  constructor(code: RestErrorCode, detail?: string, headers: Readonly<Record<string, string>> = {}, cause?: unknown) {
    super(detail === undefined ? REST_ERRORS[code][1] : `${REST_ERRORS[code][1]}: ${detail}`, { cause });
    this.code = code;
    this.status = REST_ERRORS[code][0];
    this.headers = headers;
  }

  toResponse(): Response {
    return jsonReply(this.status, { code: this.code, message: this.message }, this.headers);
  }
}
