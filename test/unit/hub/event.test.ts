import { describe, expect, test } from "bun:test";
import { fromBinary, toJsonString } from "@bufbuild/protobuf";
import { GatewayEventSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { type EventDraft, SignedEvent } from "../../../src/hub/event.ts";
import type { FrameForm } from "../../../src/hub/sink.ts";
import { FRAME_HEADER_BYTES } from "../../../src/rpc/frame.ts";
import { ring } from "./support/hub-fixture.ts";

const FORMS = {
  proto: { codec: "proto", isBase64: false },
  json: { codec: "json", isBase64: false },
  base64: { codec: "proto", isBase64: true },
} as const satisfies Record<string, FrameForm>;

function signedEvent(): SignedEvent {
  const payloadBytes = new TextEncoder().encode('{"n":1}');
  const draft = { eventType: "count.up", eventId: "e-1", audience: "all", timestampMs: 1, payloadBytes } as const;
  return new SignedEvent(draft, ring);
}

describe("the encodings of an event", () => {
  test.each(Object.entries(FORMS))("%s is created once", (_, form) => {
    const event = signedEvent();
    expect(event.frame(form)).toBe(event.frame(form));
  });

  test("base64 contains the Protobuf encoding", () => {
    const event = signedEvent();
    const base64 = Buffer.from(event.frame(FORMS.base64)).toString();
    expect(Buffer.from(base64, "base64")).toEqual(Buffer.from(event.frame(FORMS.proto)));
  });

  test("in the history, only Protobuf is kept", () => {
    const event = signedEvent();
    const before = Object.values(FORMS).map((form) => event.frame(form));
    event.compact();
    const after = Object.values(FORMS).map((form) => event.frame(form));
    expect(after).toEqual(before);
    expect(after.map((frame, at) => frame === before[at])).toEqual([true, false, false]);
    for (const form of [FORMS.json, FORMS.base64]) expect(event.frame(form)).not.toBe(event.frame(form));
  });

  const DRAFT: EventDraft = {
    ...{ eventType: "chat.message", eventId: "e-1", audience: "user:u-1", timestampMs: 1_700_000_000_000 },
    payloadBytes: new Uint8Array(0),
  };
  const bytes = (length: number) => Uint8Array.from({ length }, (_, n) => n);

  test.each<[string, Partial<EventDraft>]>([
    ["no payload", {}],
    ["each padding of base64", { payloadBytes: bytes(1) }],
    ["two bytes", { payloadBytes: bytes(2) }],
    ["every byte", { payloadBytes: bytes(256) }],
    ["default values", { audience: "all", timestampMs: 0, eventId: "", eventType: "" }],
    ["characters that JSON escapes", { audience: 'session:"\\\u2028é😀', eventId: "a/b<c>&d'\u0001" }],
    ["the largest time", { timestampMs: Number.MAX_SAFE_INTEGER }],
  ])("JSON with %s is the ProtoJSON of the message, character by character", (_, change) => {
    const event = new SignedEvent({ ...DRAFT, ...change }, ring);
    const messageIn = (form: FrameForm) => event.frame(form).subarray(FRAME_HEADER_BYTES);
    const expected = toJsonString(GatewayEventSchema, fromBinary(GatewayEventSchema, messageIn(FORMS.proto)));
    expect(new TextDecoder().decode(messageIn(FORMS.json))).toBe(expected);
  });
});
