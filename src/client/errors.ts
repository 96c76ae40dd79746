import { durationMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { REFUSAL_DOMAIN, REFUSALS, type Reason } from "../core/refusal.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/** What the gateway says when it refuses. */
export interface RefusalInfo {
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
}

/** The gateway's refusal in an error of a call or stream, or `undefined` where the error is none of the gateway's. */
export function refusalOf(error: unknown): RefusalInfo | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const info = error.findDetails(ErrorInfoSchema).find((detail) => detail.domain === REFUSAL_DOMAIN);
  if (info === undefined || !isReason(info.reason)) return undefined;
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return { reason: info.reason, metadata: info.metadata, retryAfterMs: delay && durationMs(delay) };
}

/** Why the gateway refused: a reason of the catalogue. */
export function reasonOf(error: unknown): Reason | undefined {
  return refusalOf(error)?.reason;
}

/** A reason that this version of the client does not know is no reason; the code of the error still says how to react. */
function isReason(text: string): text is Reason {
  return Object.hasOwn(REFUSALS, text);
}

/** What was wrong with a response or event. */
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
  protocol_version: "its protocol version is not the one that was asked for",
  request_id: "it answers another request",
  payload_hash: "its payload is not the one that was signed",
  key_unknown: "the gateway publishes no key with its key_id",
  signature: "its signature does not verify",
  first_event: "the stream did not begin with gateway.server_time for this session",
  audience: "it is for somebody else",
};

/** A response or event that cannot be trusted. Nothing of it has been handed out. */
export class UntrustedResponseError extends Error {
  readonly check: TrustCheck;

  constructor(check: TrustCheck, options?: ErrorOptions) {
    super(`the gateway's answer is not to be trusted: ${CHECK_TEXTS[check]}`, options);
    this.name = "UntrustedResponseError";
    this.check = check;
  }
}

/** A repeat that came too late: the gateway would not let it in, and does not know any more whether the first attempt arrived. Nothing was sent. */
export class RepeatTooLateError extends Error {
  /** Until when the request could be repeated, in Unix ms by the gateway's clock. */
  readonly untilMs: number;

  constructor(untilMs: number) {
    super("the request id can no longer be repeated; whether its first attempt was executed, only the backend can tell");
    this.name = "RepeatTooLateError";
    this.untilMs = untilMs;
  }
}
