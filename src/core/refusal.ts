import type { Reason } from "./reasons.ts";

/**
 * The catalogue of all refusals (proto/README.md, "Order of checks").
 *
 * - The reason, code, text and metadata of a refusal are sent to the client.
 * - The cause is only logged.
 */

/** The Connect name of an RPC status code. */
export type RefusalCode =
  | "invalid_argument"
  | "deadline_exceeded"
  | "resource_exhausted"
  | "failed_precondition"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "unauthenticated";

interface CatalogueEntry {
  readonly code: RefusalCode;
  /** The English message for people. Programs use the reason instead. */
  readonly text: string;
}

export const REFUSALS = {
  MALFORMED_ENVELOPE: { code: "invalid_argument", text: "the envelope breaks a rule of the contract" },
  UNSUPPORTED_PROTOCOL_VERSION: { code: "failed_precondition", text: "this protocol version is not supported" },
  REQUEST_TOO_LARGE: { code: "resource_exhausted", text: "the request is larger than the gateway takes" },
  SESSION_NOT_FOUND: { code: "unauthenticated", text: "there is no such device session" },
  SESSION_REVOKED: { code: "failed_precondition", text: "the device session has been revoked; log in again" },
  SESSION_LOOKUP_UNAVAILABLE: { code: "unavailable", text: "the device session cannot be looked up at the moment" },
  PAYLOAD_HASH_MISMATCH: { code: "invalid_argument", text: "payload_hash is not the SHA-256 of payload_bytes" },
  SIGNATURE_INVALID: { code: "unauthenticated", text: "the signature does not verify with the key of the device session" },
  TIMESTAMP_OUT_OF_WINDOW: {
    code: "failed_precondition",
    text: "timestamp_ms is too far from the gateway's clock; correct it by server_time_ms and sign again",
  },
  REQUEST_REPLAYED: { code: "failed_precondition", text: "this request_id has been used by the device session before" },
  REPLAY_STORE_UNAVAILABLE: { code: "unavailable", text: "the request cannot be checked for replay at the moment" },
  RATE_LIMITED: { code: "resource_exhausted", text: "too many requests" },
  MESSAGE_TYPE_UNKNOWN: { code: "unimplemented", text: "no route serves this message type" },
  PAYLOAD_INVALID: { code: "invalid_argument", text: "the payload does not fit the route" },
  IDEMPOTENCY_KEY_REUSED: {
    code: "invalid_argument",
    text: "this idempotency_key belongs to another message type or payload of the device session",
  },
  BACKEND_UNAVAILABLE: { code: "unavailable", text: "the backend cannot be reached at the moment" },
  BACKEND_TIMEOUT: { code: "deadline_exceeded", text: "the backend did not answer in time" },
  BACKEND_BAD_RESPONSE: { code: "internal", text: "the backend gave an answer that cannot be passed on" },
  TOO_MANY_STREAMS: { code: "resource_exhausted", text: "too many event streams are open" },
  SLOW_CONSUMER: { code: "resource_exhausted", text: "the stream was read too slowly; subscribe again and resume" },
  STREAM_EXPIRED: { code: "unavailable", text: "the stream reached its maximum age; subscribe again and resume" },
  SHUTTING_DOWN: { code: "unavailable", text: "the gateway is shutting down; reconnect" },
  INTERNAL: { code: "internal", text: "an internal error occurred" },
} as const satisfies Record<Reason, CatalogueEntry>;

export interface RefusalDetails {
  /** Details for programs. They are sent as google.rpc.ErrorInfo.metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The delay before a retry. It is sent as google.rpc.RetryInfo and as the Retry-After header. */
  readonly retryAfterMs?: number;
  /** The private cause. It is only logged, never sent. */
  readonly cause?: unknown;
}

/** An error of the catalogue. Create it with `refuse`. */
export class Refusal extends Error {
  readonly reason: Reason;
  readonly code: RefusalCode;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;

  constructor(reason: Reason, details: RefusalDetails = {}) {
    super(REFUSALS[reason].text, { cause: details.cause });
    this.name = "Refusal";
    this.reason = reason;
    this.code = REFUSALS[reason].code;
    this.metadata = details.metadata ?? {};
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Creates a refusal; the caller throws it. */
export function refuse(reason: Reason, details?: RefusalDetails): Refusal {
  return new Refusal(reason, details);
}

/** Returns a refusal unchanged. For any other thrown value, returns INTERNAL with the value as its private cause. */
export function toRefusal(thrown: unknown): Refusal {
  return thrown instanceof Refusal ? thrown : refuse("INTERNAL", { cause: thrown });
}

/**
 * Maximum length of a field name in the metadata of a refusal. Longer names are truncated, because metadata is sent in headers.
 */
const FIELD_CHARS_MAX = 64;

/** Creates the refusal PAYLOAD_INVALID for one field of the payload. The field name `payload` means the whole payload. */
export function payloadInvalid(field: string, cause?: unknown): Refusal {
  return refuse("PAYLOAD_INVALID", { metadata: { field: field.slice(0, FIELD_CHARS_MAX).toWellFormed() }, cause });
}
