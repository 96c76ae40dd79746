import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type DropReason, readPushEvent } from "../../../../src/backend/feed/push-event.ts";
import { PushEventSchema } from "../../../../src/gen/sallyport/v1/push_pb.ts";
import { clientEvent, sessionInvalidation } from "../support/push-server.ts";

function read(init: ReturnType<typeof clientEvent>) {
  return readPushEvent(create(PushEventSchema, init), 1024);
}

test("a valid event keeps its audience: one session or one user", () => {
  const step = read(clientEvent({ userId: "u1", eventType: "chat.message", eventId: "e1", payloadBytes: new Uint8Array([1]) }));
  const event = {
    userId: "u1",
    deviceSessionId: "",
    eventType: "chat.message",
    eventId: "e1",
    payloadBytes: new Uint8Array([1]),
  };
  expect(step).toEqual({ kind: "client_event", event });
  expect(read(clientEvent({ deviceSessionId: "s.1~" })).kind).toBe("client_event");
});

test("a session invalidation becomes a revocation of a session or of a user", () => {
  expect(read(sessionInvalidation({ userId: "u1" }))).toEqual({
    kind: "session_invalidation",
    revocation: { userId: "u1", deviceSessionId: "" },
  });
  expect(read(sessionInvalidation({ deviceSessionId: "s1" })).kind).toBe("session_invalidation");
});

test("a message without a kind is a keepalive", () => {
  expect(read({ cursor: "7" })).toEqual({ kind: "keepalive" });
});

describe("an event that breaks the contract is dropped", () => {
  const wrong: [string, ReturnType<typeof clientEvent>, DropReason][] = [
    ["an event without an audience", clientEvent({}), "no_audience"],
    ["a revocation without an audience", sessionInvalidation({}), "no_audience"],
    ["a user id that is too long", clientEvent({ userId: "u".repeat(257) }), "bad_user_id"],
    ["a user id with a line break", clientEvent({ userId: "u\n1" }), "bad_user_id"],
    ["a session id that is too long", clientEvent({ deviceSessionId: "s".repeat(129) }), "bad_device_session_id"],
    ["a session id with an invalid character", sessionInvalidation({ deviceSessionId: "s 1" }), "bad_device_session_id"],
    ["a type without a dot", clientEvent({ userId: "u1", eventType: "message" }), "bad_event_type"],
    ["an empty type", clientEvent({ userId: "u1", eventType: "" }), "bad_event_type"],
    ["a type in capitals", clientEvent({ userId: "u1", eventType: "Chat.message" }), "bad_event_type"],
    ["a type that is too long", clientEvent({ userId: "u1", eventType: `a.${"b".repeat(127)}` }), "bad_event_type"],
    ["a type reserved for the gateway", clientEvent({ userId: "u1", eventType: "gateway.resync" }), "reserved_event_type"],
    ["an event id that is too long", clientEvent({ userId: "u1", eventId: "e".repeat(129) }), "bad_event_id"],
    ["an event id with a space", clientEvent({ userId: "u1", eventId: "e 1" }), "bad_event_id"],
    ["a payload above the limit", clientEvent({ userId: "u1", payloadBytes: new Uint8Array(1025) }), "payload_too_large"],
  ];
  for (const [name, init, reason] of wrong) {
    test(name, () => {
      expect(read(init)).toMatchObject({ kind: "dropped", reason });
    });
  }
});
