/**
 * The reasons of the catalogue (proto/README.md, "Refusals"). The client imports this file, and not the texts in refusal.ts.
 */

/** The `domain` of every google.rpc.ErrorInfo that the gateway sends. */
export const REFUSAL_DOMAIN = "sallyport.v1";

export const REASONS = [
  "MALFORMED_ENVELOPE",
  "UNSUPPORTED_PROTOCOL_VERSION",
  "REQUEST_TOO_LARGE",
  "SESSION_NOT_FOUND",
  "SESSION_REVOKED",
  "SESSION_LOOKUP_UNAVAILABLE",
  "PAYLOAD_HASH_MISMATCH",
  "SIGNATURE_INVALID",
  "TIMESTAMP_OUT_OF_WINDOW",
  "REQUEST_REPLAYED",
  "REPLAY_STORE_UNAVAILABLE",
  "RATE_LIMITED",
  "MESSAGE_TYPE_UNKNOWN",
  "PAYLOAD_INVALID",
  "IDEMPOTENCY_KEY_REUSED",
  "BACKEND_UNAVAILABLE",
  "BACKEND_TIMEOUT",
  "BACKEND_BAD_RESPONSE",
  "TOO_MANY_STREAMS",
  "SLOW_CONSUMER",
  "STREAM_EXPIRED",
  "SHUTTING_DOWN",
  "INTERNAL",
] as const;

export type Reason = (typeof REASONS)[number];
