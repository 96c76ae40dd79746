import { expect, test } from "bun:test";
import type { Refusal } from "../../../../src/core/refusal.ts";
import { MemoryReplayStore } from "../../../../src/stores/memory/replay.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const TTL_MS = 60_000;

test("a full store refuses new requests, keeps its reservations, and has room again when they expire", () => {
  const clock = new ManualClock();
  const store = new MemoryReplayStore(clock, { entriesMax: 100 });
  const reserve = (index: number) => store.reserve("session", `request-${index}`, clock.now() + TTL_MS);
  for (let index = 0; index < 100; index++) expect(reserve(index)).toBe(true);
  expect(reasonOf(() => reserve(100))).toBe("REPLAY_STORE_UNAVAILABLE");
  for (let index = 0; index < 100; index++) expect(reserve(index)).toBe(false);
  clock.advance(TTL_MS);
  expect(reserve(100)).toBe(true);
  expect(store.entries).toBeLessThanOrEqual(100);
});

test("a reservation ends exactly at its expiry", () => {
  const clock = new ManualClock();
  const store = new MemoryReplayStore(clock, { entriesMax: 10 });
  store.reserve("session", "request-1", clock.now() + TTL_MS);
  clock.advance(TTL_MS - 1);
  expect(store.reserve("session", "request-1", clock.now() + TTL_MS)).toBe(false);
  clock.advance(1);
  expect(store.reserve("session", "request-1", clock.now() + TTL_MS)).toBe(true);
});

test("after the clock is set back, a request whose reservation was evicted is not accepted again", () => {
  const clock = new ManualClock();
  const store = new MemoryReplayStore(clock, { entriesMax: 100 });
  const expiresAtMs = clock.now() + TTL_MS;
  for (let index = 0; index < 60; index++) store.reserve("session", `old-${index}`, expiresAtMs);
  clock.advance(TTL_MS);
  // These reuse the slots of the old ones: the table has no room for both.
  for (let index = 0; index < 60; index++) store.reserve("session", `new-${index}`, clock.now() + 1);
  clock.step(-TTL_MS);
  for (let index = 0; index < 60; index++) expect(admits(store, `old-${index}`, expiresAtMs)).toBe(false);
  expect(store.reserve("session", "later", expiresAtMs + 1)).toBe(true);
});

test("after the clock is set back, a replay whose reservation is still stored is refused as replayed", () => {
  const clock = new ManualClock();
  const store = new MemoryReplayStore(clock, { entriesMax: 10 });
  const expiresAtMs = clock.now() + TTL_MS;
  store.reserve("session", "request-1", expiresAtMs);
  clock.advance(TTL_MS + 1);
  clock.step(-TTL_MS);
  expect(store.reserve("session", "request-1", expiresAtMs)).toBe(false);
});

test.each([0, -1, Number.NaN])("a reservation with an expiry %p ms from now is refused", (ms) => {
  const clock = new ManualClock();
  const store = new MemoryReplayStore(clock, { entriesMax: 10 });
  expect(reasonOf(() => store.reserve("session", "request-1", clock.now() + ms))).toBe("REPLAY_STORE_UNAVAILABLE");
  expect(store.entries).toBe(0);
});

function admits(store: MemoryReplayStore, requestId: string, expiresAtMs: number): boolean {
  try {
    return store.reserve("session", requestId, expiresAtMs);
  } catch {
    return false;
  }
}

function reasonOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (thrown) {
    return (thrown as Refusal).reason;
  }
}
