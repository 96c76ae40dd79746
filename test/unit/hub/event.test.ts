import { describe, expect, test } from "bun:test";
import { SignedEvent } from "../../../src/hub/event.ts";
import type { FrameForm } from "../../../src/hub/sink.ts";
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
});
