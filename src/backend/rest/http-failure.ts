import { type Reason, type Refusal, refuse } from "../../core/refusal.ts";

/** How a call to the backend fails. `aborted`: its caller disconnected. */
export type HttpFailureKind = "unavailable" | "timeout" | "bad_response" | "aborted";

const REASONS: Readonly<Record<HttpFailureKind, Reason>> = {
  unavailable: "BACKEND_UNAVAILABLE",
  timeout: "BACKEND_TIMEOUT",
  bad_response: "BACKEND_BAD_RESPONSE",
  // The caller disconnected and reads no answer, or its own deadline passed.
  aborted: "BACKEND_TIMEOUT",
};

/** Matches the codes of Bun's errors for answers that are not valid HTTP. All other errors of `fetch` are network errors. */
const NOT_HTTP = /http|header|encoding|length|upgrade/i;

/** A call without a usable answer. Its cause is logged and never sent to a client. */
export class HttpFailure extends Error {
  readonly kind: HttpFailureKind;

  constructor(kind: HttpFailureKind, cause: unknown) {
    super(`the backend call failed: ${kind}`, { cause });
    this.name = "HttpFailure";
    this.kind = kind;
  }

  /** Wraps an error of `fetch`. A failure is returned as it is. */
  static from(thrown: unknown): HttpFailure {
    if (thrown instanceof HttpFailure) return thrown;
    return new HttpFailure(NOT_HTTP.test(errorCode(thrown)) ? "bad_response" : "unavailable", thrown);
  }
}

/** The failure that a status other than 2xx and 4xx means. */
export function failureOfStatus(status: number): HttpFailure {
  const kind = status === 504 ? "timeout" : status === 502 || status === 503 ? "unavailable" : "bad_response";
  return new HttpFailure(kind, `HTTP ${status}`);
}

/** The refusal that a client gets for a failed call. */
export function backendRefusal(failure: HttpFailure): Refusal {
  return refuse(REASONS[failure.kind], { cause: failure.cause });
}

/** The `code` of an error of the runtime, or "". */
function errorCode(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}
