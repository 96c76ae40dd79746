import { expect, test } from "bun:test";
import type { BucketDemand } from "../../../../src/core/buckets.ts";
import { MemoryBucketStore } from "../../../../src/stores/memory/buckets.ts";

const NOW_MS = 1_760_000_000_000;

test("a full store refuses new buckets, and evicts none that has spent tokens", () => {
  const store = new MemoryBucketStore({ entriesMax: 50 });
  for (let index = 0; index < 50; index++) expect(store.take([user(index)], NOW_MS)).toBe(true);
  expect(store.take([user(50)], NOW_MS)).toEqual({ refusedBy: "user", retryAfterMs: 1000 });
  expect(store.check(user(50), NOW_MS)).toEqual({ refusedBy: "user", retryAfterMs: 1000 });
  for (let index = 0; index < 50; index++) expect(store.take([user(index)], NOW_MS)).not.toBe(true);
});

test("buckets that are full again make room", () => {
  const store = new MemoryBucketStore({ entriesMax: 50 });
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 50; index++) expect(store.take([user(round * 50 + index)], NOW_MS + round * 1000)).toBe(true);
  }
  expect(store.entries).toBeLessThanOrEqual(50);
});

test("if one demand finds no room, the other demands keep their tokens", () => {
  const store = new MemoryBucketStore({ entriesMax: 2 });
  store.take([user(1)], NOW_MS);
  expect(store.take([user(2), user(3)], NOW_MS)).toMatchObject({ refusedBy: "user", retryAfterMs: 1000 });
  expect(store.entries).toBe(1);
  expect(store.take([user(2)], NOW_MS)).toBe(true);
});

test("a refused request stores no bucket for its other budgets", () => {
  const store = new MemoryBucketStore({ entriesMax: 10 });
  store.take([user(1)], NOW_MS);
  for (let attempt = 0; attempt < 20; attempt++) store.take([user(100 + attempt), user(1)], NOW_MS);
  expect(store.entries).toBe(1);
});

test("`check` stores no bucket", () => {
  const store = new MemoryBucketStore({ entriesMax: 10 });
  for (let index = 0; index < 100; index++) expect(store.check(user(index), NOW_MS)).toBe(true);
  expect(store.entries).toBe(0);
});

test("a burst below one token counts as one", () => {
  const store = new MemoryBucketStore({ entriesMax: 10 });
  const small: BucketDemand = { scope: "user", key: "u", budget: { ratePerSecond: 1, burst: 0.5 } };
  expect(store.take([small], NOW_MS)).toBe(true);
  expect(store.take([small], NOW_MS)).toEqual({ refusedBy: "user", retryAfterMs: 1000 });
  expect(store.take([small], NOW_MS + 1000)).toBe(true);
});

test("the rate stays exact over thousands of tokens at today's Unix time", () => {
  const store = new MemoryBucketStore({ entriesMax: 10 });
  const steady: BucketDemand = { scope: "ip", key: "192.0.2.1", budget: { ratePerSecond: 300, burst: 10 } };
  let given = 0;
  for (let ms = 0; ms < 60_000; ms++) if (store.take([steady], NOW_MS + ms) === true) given++;
  expect(given).toBeGreaterThanOrEqual(18_000);
  expect(given).toBeLessThanOrEqual(18_000 * 1.001 + 10);
});

/** A budget of one token per second, burst 1. */
function user(index: number): BucketDemand {
  return { scope: "user", key: `user-${index}`, budget: { ratePerSecond: 1, burst: 1 } };
}

test("copies of a shared bucket that arrive in any order leave the one with the fewest tokens", () => {
  const demand = user(1);
  const fullInMs = [1000, 2000, 3000];
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ]) {
    const store = new MemoryBucketStore({ entriesMax: 10 });
    // A process takes its time before its call, so a late reply has an earlier time.
    for (const at of order) store.learn(demand, fullInMs[at] ?? 0, NOW_MS + at);
    expect(store.check({ ...demand, budget: { ratePerSecond: 1, burst: 3 } }, NOW_MS + 2)).toEqual({
      refusedBy: "user",
      retryAfterMs: 1000,
    });
  }
});

test("if the clock was set back by an hour, a copy waits at most as long as an empty bucket", () => {
  const demand: BucketDemand = { scope: "user", key: "user-1", budget: { ratePerSecond: 1, burst: 3 } };
  const store = new MemoryBucketStore({ entriesMax: 10 });
  store.learn(demand, 3000, NOW_MS + 3_600_000);
  store.learn(demand, 1000, NOW_MS);
  expect(store.check(demand, NOW_MS, 2)).toBe(true);
  store.learn(demand, 3000, NOW_MS + 3_600_000);
  expect(store.check(demand, NOW_MS)).toEqual({ refusedBy: "user", retryAfterMs: 1000 });
  store.learn(demand, 1000, NOW_MS);
  expect(store.check(demand, NOW_MS + 1000)).toBe(true);
});
