import { expect, test } from "bun:test";
import { REFUSALS, Refusal, refuse, toRefusal } from "../../../src/core/refusal.ts";

/** The contract's table, "Order of checks". A changed code breaks clients. */
const CONTRACT = {
  MALFORMED_ENVELOPE: "invalid_argument",
  UNSUPPORTED_PROTOCOL_VERSION: "failed_precondition",
  REQUEST_TOO_LARGE: "resource_exhausted",
  SESSION_NOT_FOUND: "unauthenticated",
  SESSION_REVOKED: "failed_precondition",
  SESSION_LOOKUP_UNAVAILABLE: "unavailable",
  PAYLOAD_HASH_MISMATCH: "invalid_argument",
  SIGNATURE_INVALID: "unauthenticated",
  TIMESTAMP_OUT_OF_WINDOW: "failed_precondition",
  REQUEST_REPLAYED: "failed_precondition",
  REPLAY_STORE_UNAVAILABLE: "unavailable",
  RATE_LIMITED: "resource_exhausted",
  MESSAGE_TYPE_UNKNOWN: "unimplemented",
  PAYLOAD_INVALID: "invalid_argument",
  IDEMPOTENCY_KEY_REUSED: "invalid_argument",
  BACKEND_UNAVAILABLE: "unavailable",
  BACKEND_TIMEOUT: "deadline_exceeded",
  BACKEND_BAD_RESPONSE: "internal",
  TOO_MANY_STREAMS: "resource_exhausted",
  SLOW_CONSUMER: "resource_exhausted",
  STREAM_EXPIRED: "unavailable",
  SHUTTING_DOWN: "unavailable",
  INTERNAL: "internal",
} as const;

test("the catalogue has exactly the reasons and codes of the contract", () => {
  expect(Object.fromEntries(Object.entries(REFUSALS).map(([reason, { code }]) => [reason, code]))).toEqual(CONTRACT);
});

test("every reason has a text of its own", () => {
  const texts = Object.values(REFUSALS).map(({ text }) => text);
  expect(new Set(texts).size).toBe(texts.length);
});

test("an unexpected error becomes INTERNAL, and its cause is not public", () => {
  const refusal = toRefusal(new Error("secret 10.0.0.7"));
  expect(refusal.reason).toBe("INTERNAL");
  expect(refusal.message).toBe(REFUSALS.INTERNAL.text);
  expect(JSON.stringify([refusal.message, refusal.metadata])).not.toContain("secret");
  expect(refusal.cause).toBeInstanceOf(Error);
  for (const thrown of [undefined, null, "text", 7, { reason: "SESSION_NOT_FOUND" }])
    expect(toRefusal(thrown).reason).toBe("INTERNAL");
});

test("a refusal is passed through unchanged", () => {
  const refusal = refuse("RATE_LIMITED", { metadata: { scope: "ip" }, retryAfterMs: 12 });
  expect(toRefusal(refusal)).toBe(refusal);
  expect(refusal).toBeInstanceOf(Refusal);
  expect(refusal).toMatchObject({
    reason: "RATE_LIMITED",
    code: "resource_exhausted",
    metadata: { scope: "ip" },
    retryAfterMs: 12,
  });
});
