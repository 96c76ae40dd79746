import { describe, expect, test } from "bun:test";
import { BodyTooLarge } from "../../../../src/rpc/http.ts";
import { readBounded } from "../../../../src/transport/bun/fetch-host.ts";
import { BodyTimers } from "../../../../src/transport/limits/body-timers.ts";

const TIMERS = new BodyTimers(5000);
const BYTES_MAX = 1000;
const chunk = (bytes: number) => new Uint8Array(bytes).fill(97);

function streamOf(chunks: readonly Uint8Array[]): { body: ReadableStream<Uint8Array>; pulled: () => number } {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = chunks[pulled++];
        if (next === undefined) controller.close();
        else controller.enqueue(next);
      },
    },
    { highWaterMark: 0 },
  );
  return { body, pulled: () => pulled };
}

const post = (body: BodyInit | null, headers: Record<string, string> = {}) =>
  new Request("http://edge.example/", { method: "POST", body, headers });

describe("readBounded", () => {
  test("refuses an announced length over the limit before reading", async () => {
    const { body, pulled } = streamOf([chunk(10)]);
    const request = post(body, { "content-length": "1001" });
    expect(await readBounded(request, BYTES_MAX, TIMERS).catch((error) => error)).toBeInstanceOf(BodyTooLarge);
    expect(pulled()).toBe(0);
  });

  test("stops reading at the limit if no length is announced", async () => {
    const { body, pulled } = streamOf(Array.from({ length: 100 }, () => chunk(400)));
    expect(await readBounded(post(body), BYTES_MAX, TIMERS).catch((error) => error)).toBeInstanceOf(BodyTooLarge);
    expect(pulled()).toBeLessThan(6);
  });

  test("accepts a body of exactly the limit, with and without an announced length", async () => {
    expect((await readBounded(post(chunk(BYTES_MAX), { "content-length": "1000" }), BYTES_MAX, TIMERS)).byteLength).toBe(
      BYTES_MAX,
    );
    const { body } = streamOf([chunk(400), chunk(600)]);
    expect(Buffer.from(await readBounded(post(body), BYTES_MAX, TIMERS))).toEqual(Buffer.from(chunk(BYTES_MAX)));
  });

  test("reads a missing body as zero bytes", async () => {
    expect((await readBounded(post(null), BYTES_MAX, TIMERS)).byteLength).toBe(0);
  });
});
