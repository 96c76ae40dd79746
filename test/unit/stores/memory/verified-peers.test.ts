import { expect, test } from "bun:test";
import { MemoryVerifiedPeers } from "../../../../src/stores/memory/verified-peers.ts";

const TTL_MS = 30_000;
const NOW_MS = 1_760_000_000_000;

test("a pair of address and session stays verified for its time to live", () => {
  const peers = new MemoryVerifiedPeers({ ttlMs: TTL_MS, entriesMax: 100 });
  peers.remember("192.0.2.1", "s1", NOW_MS);
  expect(peers.has("192.0.2.1", "s1", NOW_MS + TTL_MS - 1)).toBe(true);
  expect(peers.has("192.0.2.1", "s1", NOW_MS + TTL_MS)).toBe(false);
  expect(peers.has("192.0.2.2", "s1", NOW_MS)).toBe(false);
  expect(peers.has("192.0.2.1", "s2", NOW_MS)).toBe(false);
});

test("verifying again restarts the time to live", () => {
  const peers = new MemoryVerifiedPeers({ ttlMs: TTL_MS, entriesMax: 100 });
  peers.remember("192.0.2.1", "s1", NOW_MS);
  peers.remember("192.0.2.1", "s1", NOW_MS + TTL_MS - 1);
  expect(peers.has("192.0.2.1", "s1", NOW_MS + 2 * TTL_MS - 2)).toBe(true);
});

test("after the clock is set back, an entry does not outlive its time to live", () => {
  const peers = new MemoryVerifiedPeers({ ttlMs: TTL_MS, entriesMax: 100 });
  peers.remember("192.0.2.1", "s1", NOW_MS);
  expect(peers.has("192.0.2.1", "s1", NOW_MS - 1)).toBe(false);
});

test("a full table keeps its entries and accepts no new ones", () => {
  const peers = new MemoryVerifiedPeers({ ttlMs: TTL_MS, entriesMax: 10 });
  for (let index = 0; index < 20; index++) peers.remember("192.0.2.1", `s${index}`, NOW_MS);
  const known = Array.from({ length: 20 }, (_, index) => peers.has("192.0.2.1", `s${index}`, NOW_MS));
  expect(known).toEqual([...new Array(10).fill(true), ...new Array(10).fill(false)]);
});

test("with a time to live of 0, no peer is verified", () => {
  const peers = new MemoryVerifiedPeers({ ttlMs: 0, entriesMax: 10 });
  peers.remember("192.0.2.1", "s1", NOW_MS);
  expect(peers.has("192.0.2.1", "s1", NOW_MS)).toBe(false);
});

test("an address is known while any session has verified from it, whichever that was", () => {
  const peers = new MemoryVerifiedPeers({ ttlMs: TTL_MS, entriesMax: 10 });
  peers.remember("192.0.2.1", "s1", NOW_MS);
  peers.remember("192.0.2.1", "s2", NOW_MS + 10);
  expect([peers.hasAny("192.0.2.1", NOW_MS + TTL_MS), peers.has("192.0.2.1", "s1", NOW_MS + TTL_MS)]).toEqual([true, false]);
  expect([peers.hasAny("192.0.2.1", NOW_MS + TTL_MS + 10), peers.hasAny("192.0.2.2", NOW_MS)]).toEqual([false, false]);
});
