import { describe, expect, test } from "bun:test";
import { checkEnvelope } from "../../../src/pipeline/envelope.ts";
import { checkFailureBudget } from "../../../src/pipeline/failure-budget.ts";
import { createPorts, incomingRequest, PAYLOAD_BYTES_MAX, type RequestChange, refusalOf } from "./support/fixture.ts";

async function check(change: RequestChange) {
  const { ports } = createPorts();
  return checkEnvelope(await checkFailureBudget(incomingRequest(change), ports), PAYLOAD_BYTES_MAX);
}

type EnvelopeChange = NonNullable<RequestChange["envelope"]>;
type Case = readonly [text: string, change: EnvelopeChange];

describe("a valid envelope is accepted:", () => {
  const cases: readonly Case[] = [
    ["the shortest session id", { deviceSessionId: "a" }],
    ["the longest session id", { deviceSessionId: "x".repeat(128) }],
    ["every character of a session id", { deviceSessionId: "AZaz09._~-" }],
    ["the shortest request id", { requestId: "x".repeat(8) }],
    ["the longest request id", { requestId: "x".repeat(128) }],
    ["the shortest message type", { messageType: "a.b" }],
    ["the longest message type", { messageType: `a.${"b".repeat(126)}` }],
    ["a message type with digits and underscores", { messageType: "a1_.b_2.c" }],
    ["a message type that starts like a reserved one", { messageType: "gateways.list" }],
    ["a timestamp of 1 ms", { timestampMs: 1n }],
    ["the shortest idempotency key", { idempotencyKey: "k".repeat(8) }],
    ["the longest idempotency key", { idempotencyKey: "k".repeat(128) }],
    ["every character of an idempotency key", { idempotencyKey: "AZaz09_-" }],
  ];
  test.each(cases)("%s", async (_, envelope) => {
    expect((await check({ envelope })).envelope).toMatchObject(envelope);
  });
});

describe("an envelope that breaks a rule is refused, including header injection and path traversal:", () => {
  const cases: readonly (readonly [field: string, text: string, change: EnvelopeChange])[] = [
    ["protocol_version", "empty", { protocolVersion: "" }],
    ["device_session_id", "empty", { deviceSessionId: "" }],
    ["device_session_id", "too long", { deviceSessionId: "x".repeat(129) }],
    ["device_session_id", "with a line break", { deviceSessionId: "a\r\nX-User-Id: admin" }],
    ["device_session_id", "ending in a line break", { deviceSessionId: "a\n" }],
    ["device_session_id", "with a slash", { deviceSessionId: "a/b" }],
    ["device_session_id", "percent-encoded", { deviceSessionId: "a%2fb" }],
    ["device_session_id", "with a query", { deviceSessionId: "a?b" }],
    ["device_session_id", "with a Cyrillic look-alike", { deviceSessionId: "\u0430" }],
    ["message_type", "empty", { messageType: "" }],
    ["message_type", "without a dot", { messageType: "profile" }],
    ["message_type", "too long", { messageType: `a.${"b".repeat(127)}` }],
    ["message_type", "with a capital letter", { messageType: "User.get" }],
    ["message_type", "with an empty word", { messageType: "a..b" }],
    ["message_type", "ending in a dot", { messageType: "a.b." }],
    ["message_type", "with a part that starts with a digit", { messageType: "a.1b" }],
    ["message_type", "ending in a line break", { messageType: "a.b\n" }],
    ["message_type", "reserved", { messageType: "gateway.heartbeat" }],
    ["message_type", "of SubscribeEvents", { messageType: "gateway.subscribe" }],
    ["message_type", "of FetchEvents", { messageType: "gateway.fetch" }],
    ["timestamp_ms", "zero", { timestampMs: 0n }],
    ["timestamp_ms", "negative", { timestampMs: -1n }],
    ["request_id", "too short", { requestId: "x".repeat(7) }],
    ["request_id", "too long", { requestId: "x".repeat(129) }],
    ["request_id", "with a dot", { requestId: "request.1" }],
    ["request_id", "ending in a line break", { requestId: "request-1\n" }],
    ["payload_hash", "of 31 bytes", { payloadHash: new Uint8Array(31) }],
    ["payload_hash", "of 33 bytes", { payloadHash: new Uint8Array(33) }],
    ["idempotency_key", "too short", { idempotencyKey: "k".repeat(7) }],
    ["idempotency_key", "too long", { idempotencyKey: "k".repeat(129) }],
    ["idempotency_key", "with a dot", { idempotencyKey: "order.123" }],
    ["idempotency_key", "with a line break", { idempotencyKey: "order-123\n" }],
  ];
  test.each(cases)("%s %s", async (field, _, envelope) => {
    expect(await refusalOf(() => check({ envelope }))).toMatchObject({ reason: "MALFORMED_ENVELOPE", metadata: { field } });
  });

  test.each([0, 63, 65])("a signature of %d bytes", async (length) => {
    const tamper: RequestChange["tamper"] = (message) => {
      message.signature = new Uint8Array(length);
    };
    expect(await refusalOf(() => check({ tamper }))).toMatchObject({ metadata: { field: "signature" } });
  });

  test("no envelope", async () => {
    const tamper: RequestChange["tamper"] = (message) => {
      delete message.envelope;
    };
    expect(await refusalOf(() => check({ tamper }))).toMatchObject({ metadata: { field: "envelope" } });
  });
});

test.each(["SubscribeEvents", "FetchEvents"] as const)("%s accepts its own message type alone", async (rpc) => {
  await check({ rpc });
  for (const messageType of ["user.profile.get", "gateway.subscribe", "gateway.fetch"]) {
    if (messageType === incomingRequest({ rpc }).message.envelope?.messageType) continue;
    const refusal = await refusalOf(() => check({ rpc, envelope: { messageType } }));
    expect(refusal).toMatchObject({ reason: "MALFORMED_ENVELOPE", metadata: { field: "message_type" } });
  }
});

test("an unsupported version is refused before any other field is checked, and the refusal names the supported one", async () => {
  const envelope = { protocolVersion: "v2", deviceSessionId: "", messageType: "" };
  expect(await refusalOf(() => check({ envelope }))).toMatchObject({
    reason: "UNSUPPORTED_PROTOCOL_VERSION",
    metadata: { supported: "v1" },
  });
});

test("a payload at the limit is accepted; one byte more is refused", async () => {
  await check({ payload: "x".repeat(PAYLOAD_BYTES_MAX) });
  expect(await refusalOf(() => check({ payload: "x".repeat(PAYLOAD_BYTES_MAX + 1) }))).toMatchObject({
    reason: "REQUEST_TOO_LARGE",
    metadata: { limit_bytes: String(PAYLOAD_BYTES_MAX) },
  });
});

test("SubscribeEvents accepts only the message type gateway.subscribe", async () => {
  await check({ rpc: "SubscribeEvents" });
  for (const messageType of ["gateway.subscribe2", "gateway.heartbeat", "user.profile.get", "GATEWAY.SUBSCRIBE"]) {
    expect(await refusalOf(() => check({ rpc: "SubscribeEvents", envelope: { messageType } }))).toMatchObject({
      metadata: { field: "message_type" },
    });
  }
});
