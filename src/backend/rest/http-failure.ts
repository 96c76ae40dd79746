import { type Reason, type Refusal, refuse } from "../../core/refusal.ts";

/**
 * The ways in which a call to the backend can fail. `aborted` means that the client cancelled the call, for example by
 * disconnecting.
 */
export type HttpFailureKind = "unavailable" | "timeout" | "bad_response" | "aborted";

const REASONS: Readonly<Record<HttpFailureKind, Reason>> = {
  unavailable: "BACKEND_UNAVAILABLE",
  timeout: "BACKEND_TIMEOUT",
  bad_response: "BACKEND_BAD_RESPONSE",
  // Either the client's own deadline passed, which is a timeout, or the client disconnected and reads no answer.
  aborted: "BACKEND_TIMEOUT",
};

/** Matches the `code` of a Bun error if the answer is not valid HTTP. All other errors of `fetch` are network errors. */
const NOT_HTTP = /http|header|encoding|length|upgrade/i;

/** The error of a backend call that got no usable answer. Its cause is logged and never sent to a client. */
export class HttpFailure extends Error {
  readonly kind: HttpFailureKind;

  constructor(kind: HttpFailureKind, cause: unknown) {
    super(`the backend call failed: ${kind}`, { cause });
    this.name = "HttpFailure";
    this.kind = kind;
  }

  /** Converts an error of `fetch` to an `HttpFailure`. An `HttpFailure` is returned unchanged. */
  static from(thrown: unknown): HttpFailure {
    if (thrown instanceof HttpFailure) return thrown;
    return new HttpFailure(NOT_HTTP.test(errorCode(thrown)) ? "bad_response" : "unavailable", thrown);
  }
}

/** Returns the failure for an HTTP status that the caller does not accept. */
export function failureOfStatus(status: number): HttpFailure {
  const kind = status === 504 ? "timeout" : status === 502 || status === 503 ? "unavailable" : "bad_response";
  return new HttpFailure(kind, `HTTP ${status}`);
}

/** Returns the refusal that a client gets for a failed backend call. */
export function backendRefusal(failure: HttpFailure): Refusal {
  return refuse(REASONS[failure.kind], { cause: failure.cause });
}

/** Returns the `code` of a runtime error. Returns "" if it has none. */
function errorCode(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}
