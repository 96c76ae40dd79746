import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type DropReason, readPushEvent } from "../../../../src/backend/feed/push-event.ts";
import { PushEventSchema } from "../../../../src/gen/sallyport/v1/push_pb.ts";
import { clientEvent, sessionInvalidation } from "../support/push-server.ts";

function read(init: ReturnType<typeof clientEvent>) {
  return readPushEvent(create(PushEventSchema, init), 1024);
}

test("an event goes to one session or to a user's, as the backend says", () => {
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

test("a revocation of a session or of a user is one", () => {
  expect(read(sessionInvalidation({ userId: "u1" }))).toEqual({
    kind: "session_invalidation",
    revocation: { userId: "u1", deviceSessionId: "" },
  });
  expect(read(sessionInvalidation({ deviceSessionId: "s1" })).kind).toBe("session_invalidation");
});

test("a step without a kind, or of a kind to come, is a keepalive", () => {
  expect(read({ cursor: "7" })).toEqual({ kind: "keepalive" });
});

describe("what breaks the contract is dropped, never signed or acted on", () => {
  const wrong: [string, ReturnType<typeof clientEvent>, DropReason][] = [
    ["an event for nobody", clientEvent({}), "no_audience"],
    ["a revocation of nobody", sessionInvalidation({}), "no_audience"],
    ["an over-long user", clientEvent({ userId: "u".repeat(257) }), "bad_user_id"],
    ["a user with a line break", clientEvent({ userId: "u\n1" }), "bad_user_id"],
    ["an over-long session", clientEvent({ deviceSessionId: "s".repeat(129) }), "bad_device_session_id"],
    ["a session outside the alphabet", sessionInvalidation({ deviceSessionId: "s 1" }), "bad_device_session_id"],
    ["a type without a dot", clientEvent({ userId: "u1", eventType: "message" }), "bad_event_type"],
    ["an empty type", clientEvent({ userId: "u1", eventType: "" }), "bad_event_type"],
    ["a type in capitals", clientEvent({ userId: "u1", eventType: "Chat.message" }), "bad_event_type"],
    ["an over-long type", clientEvent({ userId: "u1", eventType: `a.${"b".repeat(127)}` }), "bad_event_type"],
    ["an event in the gateway's name", clientEvent({ userId: "u1", eventType: "gateway.resync" }), "reserved_event_type"],
    ["an over-long id", clientEvent({ userId: "u1", eventId: "e".repeat(129) }), "bad_event_id"],
    ["an id with a space", clientEvent({ userId: "u1", eventId: "e 1" }), "bad_event_id"],
    ["a large payload", clientEvent({ userId: "u1", payloadBytes: new Uint8Array(1025) }), "payload_too_large"],
  ];
  for (const [name, init, reason] of wrong) {
    test(name, () => {
      expect(read(init)).toMatchObject({ kind: "dropped", reason });
    });
  }
});
