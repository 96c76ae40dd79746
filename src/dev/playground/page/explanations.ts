import type { TrustCheck } from "../../../client/index.ts";

/** Refusals and failed verifications, in plain words. */

const REASONS: Readonly<Record<string, string>> = {
  MALFORMED_ENVELOPE: "A field of the envelope breaks its rule.",
  UNSUPPORTED_PROTOCOL_VERSION: "The gateway does not speak this version of the protocol.",
  REQUEST_TOO_LARGE: "The request is larger than the gateway accepts.",
  SESSION_NOT_FOUND: "The backend has no session with this id.",
  SESSION_REVOKED: "The session was revoked, and its key is no longer accepted. Log in again.",
  SESSION_LOOKUP_UNAVAILABLE:
    "The backend did not answer the look-up of the session. Without it, the gateway lets nothing through.",
  PAYLOAD_HASH_MISMATCH: "The payload is not the one that was signed: its SHA-256 is not the hash in the envelope.",
  SIGNATURE_INVALID: "The signature does not belong to this envelope and the key of this session.",
  TIMESTAMP_OUT_OF_WINDOW: "The signed timestamp is too far from the gateway's clock.",
  REQUEST_REPLAYED: "This session has used the request id before. The same request is never executed twice.",
  REPLAY_STORE_UNAVAILABLE: "The gateway cannot tell whether the request is new. So it refuses.",
  RATE_LIMITED: "A budget is empty. It fills again by itself.",
  IDEMPOTENCY_KEY_REUSED: "The idempotency key belongs to another command of this session.",
  MESSAGE_TYPE_UNKNOWN: "The signature is good and the request is new, but no route serves this message type.",
  PAYLOAD_INVALID: "A field that the route needs is missing or has a wrong value.",
  BACKEND_UNAVAILABLE: "The backend cannot be reached.",
  BACKEND_TIMEOUT: "The backend did not answer in time. The command may have been executed.",
  BACKEND_BAD_RESPONSE: "The backend gave an answer that the gateway does not pass on.",
  SHUTTING_DOWN: "The gateway is stopping. Try again in a moment.",
};

export function explainReason(reason: string | undefined, text: string): string {
  if (reason === undefined) return "The gateway cannot read this as a request. There is nothing to verify.";
  return Object.hasOwn(REASONS, reason) ? (REASONS[reason] ?? text) : text;
}

const TRUST_CHECKS: Readonly<Record<TrustCheck, string>> = {
  envelope_missing: "The answer has no envelope.",
  protocol_version: "The answer has another protocol version than the request.",
  request_id: "The answer names another request. It is not the answer to this one.",
  payload_hash: "The payload of the answer is not the one that the gateway signed.",
  key_unknown: "The gateway publishes no key with the id in the answer.",
  signature: "The signature does not verify: the gateway did not sign this answer for this session and this request.",
  first_event: "The stream did not start with a signed greeting for this session.",
  audience: "The event is for another audience.",
};

export function explainTrustCheck(check: TrustCheck): string {
  return TRUST_CHECKS[check];
}
