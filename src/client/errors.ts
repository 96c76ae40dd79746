import { Code, ConnectError } from "@connectrpc/connect";
import { REASONS, REFUSAL_DOMAIN, type Reason } from "../core/reasons.ts";
import { type ErrorInfo, errorInfosOf, retryDelaysOf } from "./error-details.ts";
import { retryAfterMs } from "./retry-after.ts";

/** The fields of a `SallyportError` besides its message. */
export interface SallyportErrorFields {
  readonly code: string;
  readonly reason?: string | undefined;
  readonly retryable?: boolean | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** The base class of all errors of this package, except the errors for wrong arguments (`TypeError`, `RangeError`). */
export class SallyportError extends Error {
  /**
   * The kind of failure:
   * - of a `GatewayError`: the Connect code, such as `unavailable` or `resource_exhausted`;
   * - of a `RestError`: the `code` of the answer, such as `rate_limited`;
   * - of the other classes: a fixed text, such as `untrusted`.
   */
  readonly code: string;
  /** The reason of a refusal, such as `SESSION_REVOKED`. A newer gateway may send reasons that this version does not know. */
  readonly reason: string | undefined;
  /**
   * True if the same call may succeed when it is made again.
   *
   * A repeat may still be unsafe: the first call may have been executed. See the option `idempotencyKey`.
   */
  readonly retryable: boolean;
  /** How long to wait before a repeat, in ms; `undefined` if the gateway gave no delay. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, fields: SallyportErrorFields, options?: ErrorOptions) {
    super(message, options);
    this.name = "SallyportError";
    this.code = fields.code;
    this.reason = fields.reason;
    this.retryable = fields.retryable ?? false;
    this.retryAfterMs = fields.retryAfterMs;
  }
}

/** Codes of failures that may be temporary, whether or not the error has a reason. */
const RETRYABLE_CODES: ReadonlySet<Code> = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Aborted]);
/** Codes of failures that may be temporary only if the error has no reason. */
const RETRYABLE_WITHOUT_REASON: ReadonlySet<Code> = new Set([Code.Unknown, Code.Internal, Code.DataLoss]);
/** Temporary reasons of code `resource_exhausted`. `REQUEST_TOO_LARGE` has the same code, but is permanent. */
const RETRYABLE_REASONS: ReadonlySet<string | undefined> = new Set(["RATE_LIMITED", "TOO_MANY_STREAMS", "SLOW_CONSUMER"]);

/**
 * The gateway refused a call or ended a stream, or the call failed on its way to the gateway or back. The `cause` is the
 * `ConnectError`.
 *
 * Errors are not signed: a proxy that terminates TLS can forge one. The command may have been executed.
 */
export class GatewayError extends SallyportError {
  /** Details of the refusal by name, such as `scope`. Empty if the error is not a refusal. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The text for people, without the reason or code in front of it. The wording may change. */
  readonly rawMessage: string;

  constructor(cause: ConnectError) {
    const info = infoOf(cause);
    const { code } = cause;
    const reason = info?.reason;
    const retryable =
      RETRYABLE_CODES.has(code) || RETRYABLE_REASONS.has(reason) || (!reason && RETRYABLE_WITHOUT_REASON.has(code));
    const message = `${reason ?? codeName(code)}: ${cause.rawMessage}`;
    super(message, { code: codeName(code), reason, retryable, retryAfterMs: retryAfterOf(cause) }, { cause });
    this.name = "GatewayError";
    this.rawMessage = cause.rawMessage;
    this.metadata = info?.metadata ?? {};
  }
}

/** Converts a `ConnectError` to the `GatewayError` that the package throws. Returns any other error unchanged. */
export function publicError(error: unknown): unknown {
  return error instanceof ConnectError ? new GatewayError(error) : error;
}

/** The machine-readable part of a refusal. It is not signed, so a proxy that terminates TLS can forge it. */
export interface RefusalInfo {
  /** A reason of the catalogue, such as `RATE_LIMITED`: proto/README.md, "Refusals". */
  readonly reason: Reason;
  /** Details by name. The catalogue lists the names for each reason. */
  readonly metadata: Readonly<Record<string, string>>;
  /** How long to wait before a retry, in ms; `undefined` if the refusal contains no delay. */
  readonly retryAfterMs: number | undefined;
}

/** Returns the refusal in a `GatewayError` or `ConnectError`. Returns `undefined` if there is none, or its reason is unknown. */
export function refusalOf(error: unknown): RefusalInfo | undefined {
  const cause = error instanceof GatewayError ? error.cause : error;
  if (!(cause instanceof ConnectError)) return undefined;
  const info = infoOf(cause);
  if (info === undefined || !isReason(info.reason)) return undefined;
  return { reason: info.reason, metadata: info.metadata, retryAfterMs: retryAfterOf(cause) };
}

/** Returns the reason of a refusal. Returns `undefined` if the error is no refusal, or if its reason is unknown. */
export function reasonOf(error: unknown): Reason | undefined {
  return refusalOf(error)?.reason;
}

/** The syntax of reasons. It also accepts the reasons of newer gateways, so that an app can print them. */
const REASON_WORD = /^[A-Z][A-Z0-9_]{0,63}$/;

function infoOf(error: ConnectError): ErrorInfo | undefined {
  return errorInfosOf(error).find(({ domain, reason }) => domain === REFUSAL_DOMAIN && REASON_WORD.test(reason));
}

function retryAfterOf(error: ConnectError): number | undefined {
  const [delayMs] = retryDelaysOf(error);
  // An error of a proxy has no `RetryInfo`, but it can have the header field `Retry-After`.
  return delayMs === undefined ? retryAfterMs(error.metadata) : Math.max(0, delayMs);
}

/** Returns the Connect name of a code, such as `deadline_exceeded`. */
export function codeName(code: Code): string {
  return (Code[code] ?? "Unknown").replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase();
}

/**
 * Returns true if the reason is in this client's catalogue. A newer gateway may send other reasons. For these, use the code of
 * the error.
 */
function isReason(text: string): text is Reason {
  return REASONS.some((reason) => reason === text);
}

/** The verification step in which a response or event was rejected. */
export type TrustCheck =
  | "envelope_missing"
  | "protocol_version"
  | "request_id"
  | "payload_hash"
  | "key_unknown"
  | "signature"
  | "first_event"
  | "audience";

const CHECK_TEXTS: Readonly<Record<TrustCheck, string>> = {
  envelope_missing: "it has no envelope",
  protocol_version: "its protocol version differs from the request's",
  request_id: "its request_id differs from the request's",
  payload_hash: "its payload does not match payload_hash",
  key_unknown: "the gateway publishes no key with its key_id",
  signature: "its signature does not verify",
  first_event: "the stream did not start with gateway.server_time for this session",
  audience: "its audience is neither this session, nor its user, nor all",
};

/**
 * A response or event failed verification and was discarded. The command of a discarded response may have been executed.
 *
 * The `code` of the error is `untrusted`.
 */
export class UntrustedResponseError extends SallyportError {
  readonly check: TrustCheck;

  constructor(check: TrustCheck, options?: ErrorOptions) {
    super(`the gateway's answer failed verification: ${CHECK_TEXTS[check]}`, { code: "untrusted", retryable: true }, options);
    this.name = "UntrustedResponseError";
    this.check = check;
  }
}

/**
 * The app repeated a request id after the freshness window of its first attempt. The client did not send the repeat, because
 * the gateway would refuse it as too old. Ask the backend whether the first attempt was executed.
 *
 * The `code` of the error is `repeat_too_late`.
 */
export class RepeatTooLateError extends SallyportError {
  /** The repeat was possible until this time, in Unix ms by the gateway's clock. */
  readonly untilMs: number;

  constructor(untilMs: number) {
    super("too late to repeat this request id; only the backend knows whether its first attempt was executed", {
      code: "repeat_too_late",
    });
    this.name = "RepeatTooLateError";
    this.untilMs = untilMs;
  }
}
