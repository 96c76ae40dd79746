import { durationMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { REFUSAL_DOMAIN, REFUSALS, type Reason } from "../core/refusal.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/** The machine-readable part of a refusal. It is not signed, so a proxy that terminates TLS can forge it. */
export interface RefusalInfo {
  /** A reason of the catalogue, such as `RATE_LIMITED`: proto/README.md, "Order of checks". */
  readonly reason: Reason;
  /** Details by name. The catalogue lists the names for each reason. */
  readonly metadata: Readonly<Record<string, string>>;
  /** How long to wait before a retry, in ms; `undefined` if the refusal contains no delay. */
  readonly retryAfterMs: number | undefined;
}

/** Returns the refusal in the error of a call or stream, or `undefined` if the error is not a refusal of the gateway. */
export function refusalOf(error: unknown): RefusalInfo | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const info = error.findDetails(ErrorInfoSchema).find((detail) => detail.domain === REFUSAL_DOMAIN);
  if (info === undefined || !isReason(info.reason)) return undefined;
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return { reason: info.reason, metadata: info.metadata, retryAfterMs: delay && durationMs(delay) };
}

/** Returns the reason of a refusal, or `undefined` if the error is not a refusal of the gateway. */
export function reasonOf(error: unknown): Reason | undefined {
  return refusalOf(error)?.reason;
}

/**
 * Returns true if the reason is in this client's catalogue. A newer gateway may send other reasons. For these, use the code of
 * the `ConnectError`.
 */
function isReason(text: string): text is Reason {
  return Object.hasOwn(REFUSALS, text);
}

/** The check that a response or event failed. */
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

/** A response or event failed verification and was discarded. If it answered a command, the command may have been executed. */
export class UntrustedResponseError extends Error {
  readonly check: TrustCheck;

  constructor(check: TrustCheck, options?: ErrorOptions) {
    super(`the gateway's answer failed verification: ${CHECK_TEXTS[check]}`, options);
    this.name = "UntrustedResponseError";
    this.check = check;
  }
}

/**
 * A request id was repeated after the freshness window. The client did not send the request, because the gateway would refuse
 * it as too old. Ask the backend whether the first attempt was executed.
 */
export class RepeatTooLateError extends Error {
  /** The repeat was possible until this time, in Unix ms by the gateway's clock. */
  readonly untilMs: number;

  constructor(untilMs: number) {
    super("too late to repeat this request id; only the backend knows whether its first attempt was executed");
    this.name = "RepeatTooLateError";
    this.untilMs = untilMs;
  }
}
