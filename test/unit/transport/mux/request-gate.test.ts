import { describe, expect, test } from "bun:test";
import { RequestGate } from "../../../../src/transport/mux/request-gate.ts";

const HEAD = "POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";
const NEXT = "GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n";

function createGate() {
  const events: string[] = [];
  let forwarded = "";
  const gate = new RequestGate({
    forward: (bytes) => {
      forwarded += bytes.toString("latin1");
    },
    refuse: (status) => events.push(`refuse ${status}`),
    close: () => events.push("close"),
  });
  return { gate, events, forwarded: () => forwarded };
}

const chunksOf = (text: string, count: number) => `${text.length.toString(16)}\r\n${text}\r\n`.repeat(count);
const ends = { "in one read": Number.POSITIVE_INFINITY, "in reads of 1000 bytes": 1000 };

describe.each(Object.entries(ends))("a body in 80,000 chunks, %s", (_, size) => {
  const push = (gate: RequestGate, text: string) => {
    for (let at = 0; at < text.length; at += size) gate.push(Buffer.from(text.slice(at, at + size)));
  };

  test("is cut: the server answers what it received, then the connection is closed", () => {
    const { gate, events, forwarded } = createGate();
    push(gate, `${HEAD}${chunksOf("x", 80_000)}0\r\n\r\n${NEXT}`);
    expect(forwarded().length).toBeLessThan(32_000);
    expect([events, gate.isHolding]).toEqual([[], true]);
    gate.answered();
    expect([events, gate.isHolding, forwarded().includes("/next")]).toEqual([["close"], false, false]);
  });

  test("is cut after an early answer", () => {
    const { gate, events, forwarded } = createGate();
    gate.push(Buffer.from(HEAD));
    gate.answered();
    push(gate, `${chunksOf("x", 80_000)}0\r\n\r\n${NEXT}`);
    expect([events, forwarded().includes("/next")]).toEqual([["close"], false]);
  });
});

test.each([
  ["4,000 chunks of one byte", chunksOf("x", 4000)],
  ["8,000 chunks of 64 bytes", chunksOf("x".repeat(64), 8000)],
  ["20,000 chunks of 100 bytes", chunksOf("x".repeat(100), 20_000)],
])("a body in %s is forwarded", (_, body) => {
  const { gate, events, forwarded } = createGate();
  gate.push(Buffer.from(`${HEAD}${body}0\r\n\r\n`));
  expect([events, forwarded() === `${HEAD}${body}0\r\n\r\n`]).toEqual([[], true]);
});
