import { expect, test } from "bun:test";
import { Backoff } from "../../../src/core/backoff.ts";
import { sleep } from "../../../src/core/clock.ts";

test("each delay is uniform below a ceiling that doubles up to maxMs, until `reset`", () => {
  const backoff = new Backoff({ minMs: 100, maxMs: 500, random: () => 0.5 });
  expect([1, 2, 3, 4, 5].map(() => backoff.nextMs())).toEqual([50, 100, 200, 250, 250]);
  backoff.reset();
  expect(backoff.nextMs()).toBe(50);
});

test("`sleep` resolves as soon as its signal aborts", async () => {
  const stopped = new AbortController();
  const waited = sleep(60_000, stopped.signal);
  stopped.abort();
  await waited;
  await sleep(60_000, stopped.signal);
  await sleep(1, new AbortController().signal);
});
