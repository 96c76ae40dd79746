import { errorCode } from "../../core/cause.ts";
import type { Reason } from "../../core/reasons.ts";
import { type Refusal, refuse } from "../../core/refusal.ts";

/**
 * The ways in which a call to the backend can fail. `aborted` means that the gateway's client cancelled the call, for example
 * by disconnecting.
 */
export type HttpFailureKind = "unavailable" | "timeout" | "bad_response" | "aborted";

const REASONS: Readonly<Record<HttpFailureKind, Reason>> = {
  unavailable: "BACKEND_UNAVAILABLE",
  timeout: "BACKEND_TIMEOUT",
  bad_response: "BACKEND_BAD_RESPONSE",
  // A call is aborted for one of two reasons. Either the client's own deadline passed, which is a timeout. Or the client
  // disconnected, and then it reads no answer.
  aborted: "BACKEND_TIMEOUT",
};

/** Matches the `code` of the errors that Bun throws if an answer is not valid HTTP. All other codes are network errors. */
const NOT_HTTP = /http|header|encoding|length|upgrade/i;

/** Matches the `code` of the errors that end a TLS handshake because the certificate is rejected. */
const CERTIFICATE_REJECTED = /^(ERR_TLS_CERT|CERT_|SELF_SIGNED_CERT|DEPTH_ZERO|UNABLE_TO_(GET|VERIFY))/;
/** The `code` of errors that occur before a connection is open. Other codes can also occur after the request was sent. */
const NOT_CONNECTED: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"]);

interface FailureDetails {
  /** Whether the address caused the failure. Another address may then succeed. Default: true, except for `aborted`. */
  readonly isFault?: boolean;
  /** Whether it is certain that nothing was sent. Default: false. */
  readonly isUnsent?: boolean;
  readonly called?: CalledAddress;
}

/** The address that a call was sent to. It is logged and never sent to a client. */
export interface CalledAddress {
  /** The name of the upstream. */
  readonly upstream: string;
  /** Host and port, such as `10.0.0.1:8080`; without the port if it is the default port of the scheme. */
  readonly address: string;
}

/** The error of a backend call that got no usable answer. Its message and its cause are logged and never sent to a client. */
export class HttpFailure extends Error {
  readonly kind: HttpFailureKind;
  readonly isFault: boolean;
  readonly isUnsent: boolean;
  /** `undefined` if the call failed before an address was chosen. */
  readonly called: CalledAddress | undefined;

  constructor(kind: HttpFailureKind, cause: unknown, details: FailureDetails = {}) {
    const { isFault = kind !== "aborted", isUnsent = false, called } = details;
    const place = called === undefined ? "" : ` at upstream ${called.upstream}, ${called.address}`;
    super(`the backend call failed${place}: ${kind}`, { cause });
    this.name = "HttpFailure";
    this.kind = kind;
    this.isFault = isFault;
    this.isUnsent = isUnsent;
    this.called = called;
  }

  /** Returns a copy of this failure that names the called address. */
  at(called: CalledAddress): HttpFailure {
    return new HttpFailure(this.kind, this.cause, { isFault: this.isFault, isUnsent: this.isUnsent, called });
  }

  /** Converts an error of `fetch` to an `HttpFailure`. Returns the error unchanged if it is already an `HttpFailure`. */
  static from(thrown: unknown): HttpFailure {
    if (thrown instanceof HttpFailure) return thrown;
    const code = errorCode(thrown);
    if (NOT_CONNECTED.has(code) || CERTIFICATE_REJECTED.test(code)) {
      return new HttpFailure("unavailable", thrown, { isUnsent: true });
    }
    return new HttpFailure(NOT_HTTP.test(code) ? "bad_response" : "unavailable", thrown);
  }
}

/** Returns the failure for an answer whose HTTP status is not accepted. */
export function failureOfStatus(status: number): HttpFailure {
  const kind = status === 504 ? "timeout" : status === 502 || status === 503 ? "unavailable" : "bad_response";
  return new HttpFailure(kind, `HTTP ${status}`, { isFault: status >= 500 });
}

/** Returns the refusal that a client gets for a failed backend call. */
export function backendRefusal(failure: HttpFailure): Refusal {
  return refuse(REASONS[failure.kind], { cause: failure.called === undefined ? failure.cause : failure });
}
