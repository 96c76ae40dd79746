import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ExpiringTable, NO_SLOT } from "../../../../src/stores/memory/expiring-table.ts";
import { isLive, put } from "../support/table-entries.ts";

const NOW_MS = 1_000;
/** These fingerprints share one home: four fill it, the others overflow. */
const CROWD = Array.from({ length: 40 }, (_, index) => index + 1);
/** Distinct, with the last group of any table as their home. */
const LAST_CROWD = CROWD.map((low) => -low);

test("an entry is live until its expiry", () => {
  const table = new ExpiringTable(10);
  expect(put(table, 1, 2, NOW_MS, NOW_MS + 5)).toBe(true);
  expect(isLive(table, 1, 2, NOW_MS + 4)).toBe(true);
  expect(isLive(table, 1, 2, NOW_MS + 5)).toBe(false);
});

test("both halves of a fingerprint are compared", () => {
  const table = new ExpiringTable(10);
  put(table, 1, 2, NOW_MS, NOW_MS + 5);
  expect(isLive(table, 1, 3, NOW_MS)).toBe(false);
  expect(isLive(table, 3, 2, NOW_MS)).toBe(false);
});

test("the fingerprint 0 is stored like any other", () => {
  const table = new ExpiringTable(10);
  expect(isLive(table, 0, 0, NOW_MS)).toBe(false);
  put(table, 0, 0, NOW_MS, NOW_MS + 5);
  expect(isLive(table, 0, 0, NOW_MS)).toBe(true);
  expect(table.occupied).toBe(1);
});

test("an entry behind an expired one is still found, and not stored twice", () => {
  const table = new ExpiringTable(1000);
  for (const [index, low] of CROWD.slice(0, 16).entries()) put(table, low, 1, NOW_MS, NOW_MS + 10 + index);
  for (let expired = 1; expired <= 16; expired++) {
    const nowMs = NOW_MS + 9 + expired;
    for (const [index, low] of CROWD.slice(0, 16).entries()) {
      const slot = table.claim(low, 1, nowMs);
      expect(table.expiryMs(slot)).toBe(NOW_MS + 10 + index);
    }
  }
  expect(table.occupied).toBe(16);
});

test.each([
  ["in the first group", CROWD],
  ["in the last group, overflowing to the first", LAST_CROWD],
])("40 entries with one home %s all find room, and none is lost or stored twice", (_, crowd) => {
  const table = new ExpiringTable(100);
  for (const low of crowd) expect(put(table, low, 1, NOW_MS, NOW_MS + 50)).toBe(true);
  for (const low of crowd) expect(table.expiryMs(table.claim(low, 1, NOW_MS))).toBe(NOW_MS + 50);
  expect(table.occupied).toBe(crowd.length);
});

test("2000 entries with one home saturate the overflow counters, and none is lost, then or later", () => {
  const table = new ExpiringTable(4000);
  const crowd = Array.from({ length: 2000 }, (_, index) => index);
  for (let round = 0; round < 3; round++) {
    const nowMs = NOW_MS + 50 * round;
    for (const low of crowd) expect(put(table, low, round, nowMs, nowMs + 50)).toBe(true);
    expect(crowd.filter((low) => !isLive(table, low, round, nowMs + 49))).toEqual([]);
    // Some are removed early: the entries behind them must still be found.
    for (const low of crowd.slice(0, 1500)) table.setExpiry(table.find(low, round), 0);
    expect(crowd.filter((low) => isLive(table, low, round, nowMs + 49))).toEqual(crowd.slice(1500));
  }
});

test("after overflowing entries are removed, searches are as short as before", () => {
  const table = new ExpiringTable(100_000);
  const crowd = Array.from({ length: 250 }, (_, index) => index);
  for (const low of crowd) put(table, low, 1, NOW_MS, NOW_MS + 50);
  expect(table.overflowedGroups).toBe(Math.ceil(crowd.length / 4) - 1);
  for (const low of crowd) table.setExpiry(table.find(low, 1), 0);
  expect(table.overflowedGroups).toBe(0);
});

test("an entry behind a freed slot is still found, and not stored twice", () => {
  const table = new ExpiringTable(1000);
  for (const low of CROWD.slice(0, 16)) put(table, low, 1, NOW_MS, NOW_MS + 50);
  for (const low of CROWD.slice(0, 15)) {
    table.setExpiry(table.find(low, 1), 0);
    expect(isLive(table, low, 1, NOW_MS)).toBe(false);
  }
  const [last = 0] = CROWD.slice(15);
  expect(table.expiryMs(table.claim(last, 1, NOW_MS))).toBe(NOW_MS + 50);
});

test("an expired entry whose slot was reused does not return after the clock is set back", () => {
  const table = new ExpiringTable(1000);
  const [first = 0, ...others] = CROWD.slice(0, 17);
  put(table, first, 1, NOW_MS, NOW_MS + 1);
  for (const low of others) put(table, low, 1, NOW_MS + 1, NOW_MS + 50);
  expect(others.every((low) => isLive(table, low, 1, NOW_MS + 1))).toBe(true);
  expect(isLive(table, first, 1, NOW_MS)).toBe(false);
  expect(table.evictedUntilMs).toBe(NOW_MS + 1);
});

test("a claimed slot that was not set does not show its previous entry", () => {
  const table = new ExpiringTable(1000);
  for (const low of CROWD.slice(0, 16)) put(table, low, 1, NOW_MS, NOW_MS + 1);
  const slot = table.claim(77, 1, NOW_MS + 1);
  expect(table.expiryMs(slot)).toBe(0);
  expect(isLive(table, 77, 1, NOW_MS)).toBe(false);
});

describe.each([1, 2, 9, 10, 100, 1000])("a table for %d entries", (entriesMax) => {
  test("stores that many, then is full, and has room again when they expire", () => {
    const table = new ExpiringTable(entriesMax);
    const some = fingerprints(entriesMax + 1);
    for (const [low, high] of some.slice(0, entriesMax)) expect(put(table, low, high, NOW_MS, NOW_MS + 5)).toBe(true);
    const [low, high] = some[entriesMax] ?? [0, 0];
    expect(put(table, low, high, NOW_MS + 4, NOW_MS + 9)).toBe(false);
    expect(put(table, low, high, NOW_MS + 5, NOW_MS + 9)).toBe(true);
    expect(table.occupied).toBeLessThanOrEqual(entriesMax);
  });
});

test("a table filled to its limit refused no entry early and lost none", () => {
  const entriesMax = 2 ** 15;
  const table = new ExpiringTable(entriesMax);
  const some = fingerprints(entriesMax);
  expect(some.filter(([low, high]) => !put(table, low, high, NOW_MS, NOW_MS + 5))).toEqual([]);
  expect(some.filter(([low, high]) => !isLive(table, low, high, NOW_MS + 4))).toEqual([]);
  expect(put(table, 1, 1, NOW_MS, NOW_MS + 5)).toBe(false);
});

test("200,000 entries that come and go find room, and overflows do not accumulate", () => {
  const table = new ExpiringTable(10_000);
  const some = fingerprints(200_000);
  for (const [index, [low, high]] of some.entries()) {
    if (!put(table, low, high, NOW_MS + index, NOW_MS + index + 9_500)) throw new Error(`entry ${index} found no room`);
  }
  expect(table.occupied).toBeLessThanOrEqual(10_000);
  // A tenth of 6250 groups, and a margin for chance.
  expect(table.overflowedGroups).toBeLessThan(800);
});

test("a freed slot can be used again, and is not counted", () => {
  const table = new ExpiringTable(1);
  const slot = table.claim(1, 1, NOW_MS);
  table.setExpiry(slot, NOW_MS + 50);
  table.setExpiry(slot, 0);
  expect(table.occupied).toBe(0);
  expect(put(table, 2, 2, NOW_MS, NOW_MS + 50)).toBe(true);
});

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("a capacity of %p is refused", (entriesMax) => {
  expect(() => new ExpiringTable(entriesMax)).toThrow(RangeError);
});

test("in any order of steps, the table behaves like a map with expiry (property test)", () => {
  const step = fc.record({
    // Few fingerprints with few homes, one of them the last group, so that they collide often.
    low: fc.integer({ min: 0, max: 5 }).map((n) => (n < 4 ? n : Math.imul(n, 0x33333333))),
    high: fc.integer({ min: 0, max: 9 }),
    ttlMs: fc.integer({ min: 1, max: 100 }),
    advanceMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 })),
    isFreed: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(step, { maxLength: 300 }), (entriesMax, steps) => {
      const table = new ExpiringTable(entriesMax);
      const model = new Map<string, number>();
      let nowMs = NOW_MS;
      for (const { low, high, ttlMs, advanceMs, isFreed } of steps) {
        nowMs += advanceMs;
        const key = `${low},${high}`;
        const isKnown = (model.get(key) ?? 0) > nowMs;
        expect(isLive(table, low, high, nowMs)).toBe(isKnown);
        if (put(table, low, high, nowMs, nowMs + ttlMs)) model.set(key, nowMs + ttlMs);
        else expect(isKnown).toBe(false);
        const live = [...model.values()].filter((expiryMs) => expiryMs > nowMs).length;
        expect(live).toBeLessThanOrEqual(entriesMax);
        expect(table.occupied).toBeGreaterThanOrEqual(live);
        const slot = table.find(low, high);
        if (!isFreed || slot === NO_SLOT) continue;
        table.setExpiry(slot, 0);
        model.delete(key);
      }
      for (const [key, expiryMs] of model) {
        const [low = 0, high = 0] = key.split(",").map(Number);
        expect(isLive(table, low, high, nowMs)).toBe(expiryMs > nowMs);
      }
    }),
    { numRuns: 150 },
  );
});

/** Distinct fingerprints that look random and are the same in every run (the finalizer of MurmurHash3 is a bijection). */
function fingerprints(count: number): [low: number, high: number][] {
  return Array.from({ length: count }, (_, index) => [mix(index + 1), mix(index + 1 + 0x40000000)]);
}

function mix(input: number): number {
  let h = input;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
