import { expect, test } from "bun:test";
import { Backoff, sleep } from "../../../src/core/backoff.ts";

test("gateways that lost the same backend come back spread out, ever more slowly, up to a bound", () => {
  const backoff = new Backoff({ minMs: 100, maxMs: 500, random: () => 0.5 });
  expect([1, 2, 3, 4, 5].map(() => backoff.nextMs())).toEqual([50, 100, 200, 250, 250]);
  backoff.reset();
  expect(backoff.nextMs()).toBe(50);
});

test("a wait ends as soon as nobody wants it any more", async () => {
  const stopped = new AbortController();
  const waited = sleep(60_000, stopped.signal);
  stopped.abort();
  await waited;
  await sleep(60_000, stopped.signal);
  await sleep(1, new AbortController().signal);
});
