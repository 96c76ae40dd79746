import { expect, test } from "bun:test";
import fc from "fast-check";
import { NO_SLOT } from "../../../../src/stores/memory/expiring-table.ts";
import { GrowingTable } from "../../../../src/stores/memory/growing-table.ts";
import { isLive, put } from "../support/table-entries.ts";

const NOW_MS = 1_000;
/** As many calls as it takes to trim a whole table, and more. */
const ALL = 100;

test("holds as many entries as it may, each until its time, and refuses one more", () => {
  const table = new GrowingTable(20_000);
  for (let n = 0; n < 20_000; n++) expect(put(table, hash(n), hash(n + 0.5), NOW_MS, NOW_MS + 50)).toBe(true);
  expect(put(table, 1, 1, NOW_MS, NOW_MS + 50)).toBe(false);
  expect(table.occupied).toBe(20_000);
  const lost = Array.from({ length: 20_000 }, (_, n) => n).filter((n) => !isLive(table, hash(n), hash(n + 0.5), NOW_MS + 49));
  expect(lost).toEqual([]);
  expect(table.evictedUntilMs()).toBe(0);
});

test("takes new entries in place of expired ones, at its limit too", () => {
  const table = new GrowingTable(5000);
  for (let round = 0; round < 5; round++) {
    const nowMs = NOW_MS + 50 * round;
    for (let n = 0; n < 5000; n++) expect(put(table, hash(n), hash(n + round + 0.5), nowMs, nowMs + 50)).toBe(true);
  }
  expect(table.evictedUntilMs()).toBeLessThanOrEqual(NOW_MS + 200);
});

test("takes memory for what is live, and gives it back when that has expired", () => {
  const bytes = () => process.memoryUsage().arrayBuffers;
  Bun.gc(true);
  const before = bytes();
  const table = new GrowingTable(1_000_000);
  expect(bytes() - before).toBeLessThan(100_000);
  for (let n = 0; n < 200_000; n++) put(table, hash(n), hash(n + 0.5), NOW_MS, NOW_MS + 50);
  Bun.gc(true);
  expect((bytes() - before) / 200_000).toBeLessThan(70);
  put(table, 7, 7, NOW_MS, NOW_MS + 500);
  let freed = 0;
  for (let call = 0; call < ALL; call++) freed += table.trim(NOW_MS + 100);
  expect(freed / 200_000).toBeWithin(41, 70);
  Bun.gc(true);
  expect(bytes() - before).toBeLessThan(100_000);
  expect(isLive(table, 7, 7, NOW_MS + 499)).toBe(true);
  expect(table.occupied).toBe(1);
  expect(table.evictedUntilMs()).toBe(NOW_MS + 50);
});

test("slots of fingerprints that were prepared together are good until all of them are claimed", () => {
  for (let filled = 0; filled < 400; filled++) {
    const table = new GrowingTable(4096);
    for (let n = 0; n < filled; n++) put(table, hash(n), 0, NOW_MS, NOW_MS + 50);
    const lows = [1, 2, 3, 4, 5, 6, 7, 8];
    for (const low of lows) table.prepare(low, 1, NOW_MS);
    const slots = lows.map((low) => {
      const slot = table.claim(low, 1, NOW_MS);
      table.setExpiry(slot, NOW_MS + low);
      return slot;
    });
    expect(slots.map((slot) => table.expiryMs(slot))).toEqual(lows.map((low) => NOW_MS + low));
    expect(lows.map((low) => table.find(low, 1))).toEqual(slots);
  }
});

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("%p entries are no size of a table", (entriesMax) => {
  expect(() => new GrowingTable(entriesMax)).toThrow(RangeError);
});

test("whatever the order of entries, times and trims, none is forgotten early or seen again late", () => {
  const step = fc.record({
    low: fc.integer({ min: 0, max: 5 }),
    high: fc.integer({ min: 0, max: 9 }).map((n) => Math.imul(n, 0x33333333)),
    ttlMs: fc.integer({ min: 1, max: 100 }),
    advanceMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 })),
    before: fc.constantFrom("nothing", "prepare", "trim", "give back"),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000 }), fc.array(step, { maxLength: 300 }), (entriesMax, steps) => {
      const table = new GrowingTable(entriesMax);
      const model = new Map<string, number>();
      let nowMs = NOW_MS;
      for (const { low, high, ttlMs, advanceMs, before } of steps) {
        nowMs += advanceMs;
        const key = `${low},${high}`;
        if (before === "prepare") table.prepare(low, high, nowMs);
        if (before === "trim") for (let call = 0; call < ALL; call++) table.trim(nowMs);
        const held = table.find(low, high);
        if (before === "give back" && held !== NO_SLOT) {
          table.setExpiry(held, 0);
          model.delete(key);
        }
        const isKnown = (model.get(key) ?? 0) > nowMs;
        expect(isLive(table, low, high, nowMs)).toBe(isKnown);
        if (put(table, low, high, nowMs, nowMs + ttlMs)) model.set(key, nowMs + ttlMs);
        else expect(isKnown).toBe(false);
        const live = [...model.values()].filter((expiryMs) => expiryMs > nowMs).length;
        expect(live).toBeLessThanOrEqual(entriesMax);
        expect(table.occupied).toBeGreaterThanOrEqual(live);
      }
      const gone = [...model.values()].filter((expiryMs) => expiryMs <= nowMs);
      expect(table.evictedUntilMs()).toBeLessThanOrEqual(Math.max(0, nowMs, ...gone));
    }),
    { numRuns: 150 },
  );
});

/** 32 bits that look random. */
function hash(n: number): number {
  return Bun.hash.murmur32v3(String(n)) | 0;
}
