import { expect, test } from "bun:test";
import { decodeMessage, encodeMessage, type ToSuccessor } from "../../../src/upgrade/messages.ts";

test("a message keeps its bytes, those of a Buffer and of a part of a buffer too", () => {
  const answers = [new Uint8Array([0, 255, 1]), Buffer.from("abc"), new Uint8Array(10).fill(7).subarray(2, 4)].map((bytes) => ({
    ...{ name: "n", deviceSessionId: "s", fingerprint: "f", clockSetAheadMs: 0 },
    age: { keptForMs: 1, keptUntilMs: 2, storedUntilMs: 3 },
    reply: { resultCode: "ok", payloadBytes: bytes },
  }));
  const decoded = decodeMessage<ToSuccessor>(encodeMessage({ type: "kept answers", answers }));
  const received = decoded.type === "kept answers" ? decoded.answers : expect.unreachable();
  expect(received.map(({ reply }) => [...reply.payloadBytes])).toEqual([
    [0, 255, 1],
    [97, 98, 99],
    [7, 7],
  ]);
});

test.each([[undefined], [{ type: "ready" }], ["null"], ["[]"], ["{}"], ["no JSON"]])("%j is no message", (text) => {
  expect(() => decodeMessage(text)).toThrow();
});
