/** How a call to the backend fails: nobody there, too late, an answer that cannot be used, or the caller has left. */
export type HttpFailureKind = "unavailable" | "timeout" | "bad_response" | "aborted";

/** What Bun calls answers that are not HTTP; every other failure of `fetch` is one of the network. */
const NOT_HTTP = /http|header|encoding|length|upgrade/i;

/** A call that gave no usable answer. The cause is for the log alone. */
export class HttpFailure extends Error {
  readonly kind: HttpFailureKind;

  constructor(kind: HttpFailureKind, cause: unknown) {
    super(`the backend call failed: ${kind}`, { cause });
    this.name = "HttpFailure";
    this.kind = kind;
  }

  /** Whatever was thrown, as a failure: what is not one already comes from `fetch`. */
  static from(thrown: unknown): HttpFailure {
    if (thrown instanceof HttpFailure) return thrown;
    return new HttpFailure(NOT_HTTP.test(errorCode(thrown)) ? "bad_response" : "unavailable", thrown);
  }
}

/** What a status says that is neither an answer nor an error of the caller's. */
export function failureOfStatus(status: number): HttpFailure {
  const kind = status === 504 ? "timeout" : status === 502 || status === 503 ? "unavailable" : "bad_response";
  return new HttpFailure(kind, `HTTP ${status}`);
}

/** The `code` of an error of the runtime; empty where it has none. */
function errorCode(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}
