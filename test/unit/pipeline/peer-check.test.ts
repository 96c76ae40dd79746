import { describe, expect, test } from "bun:test";
import type { Peer } from "../../../src/core/ports.ts";
import { Refusal } from "../../../src/core/refusal.ts";
import { chargePeer, checkPeer } from "../../../src/pipeline/failure-budget.ts";
import type { PipelinePorts } from "../../../src/pipeline/ports.ts";
import { MemoryBucketStore } from "../../../src/stores/memory/buckets.ts";
import { MemoryVerifiedPeers } from "../../../src/stores/memory/verified-peers.ts";
import { createPorts, NOW } from "./support/fixture.ts";

/** Whose requests are read at all, and what they pay that cannot be decoded. */

const BURST = 4;
const IP_BURST = 6;
const TTL_MS = 30_000;
const STRANGER: Peer = { address: "192.0.2.1", network: "192.0.2.1" };
const OTHER: Peer = { address: "192.0.2.2", network: "192.0.2.2" };

function setting(budgets: Partial<PipelinePorts["budgets"]> = {}) {
  let nowMs = NOW;
  const buckets = new MemoryBucketStore({ entriesMax: 100 });
  const { ports } = createPorts({
    buckets,
    unverifiedBuckets: buckets,
    verifiedPeers: new MemoryVerifiedPeers({ ttlMs: TTL_MS, entriesMax: 100 }),
    clock: { now: () => nowMs, monotonic: () => nowMs },
  });
  Object.assign(ports.budgets, {
    failures: { ratePerSecond: 1, burst: BURST },
    ip: { ratePerSecond: 1, burst: IP_BURST },
    ...budgets,
  });
  return {
    ports,
    advance: (ms: number) => {
      nowMs += ms;
    },
    /** `true`: it may be read; else for how long not. */
    check(cost: number, peer = STRANGER): true | number {
      try {
        checkPeer(peer, cost, ports);
        return true;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        expect([error.reason, error.metadata]).toEqual(["RATE_LIMITED", { scope: "failures" }]);
        return error.retryAfterMs ?? expect.unreachable();
      }
    },
    charge: (cost: number, peer = STRANGER) => chargePeer(peer, cost, ports),
    /** A session has verified from there. */
    verify: (peer = STRANGER) => ports.verifiedPeers.remember(peer.network, "session-1", nowMs),
  };
}

describe("a stranger", () => {
  test("is read until its failures are used up, and again when it has one", async () => {
    const { check, charge, advance } = setting();
    for (let n = 0; n < BURST; n++) {
      expect(check(0)).toBe(true);
      await charge(0);
    }
    expect([check(0), check(1), check(0, OTHER)]).toEqual([1000, 1000, true]);
    advance(999);
    expect(check(0)).toBe(1);
    advance(1);
    expect(check(0)).toBe(true);
  });

  test("needs as many tokens as its request may cost, and pays them", async () => {
    const { check, charge } = setting();
    expect([check(BURST), check(BURST - 1)]).toEqual([true, true]);
    await charge(BURST - 1);
    expect([check(1), check(2)]).toEqual([true, 1000]);
  });

  test("with a full bucket may send what costs more than that has; then it is empty", async () => {
    const { check, charge } = setting();
    expect(check(100)).toBe(true);
    await charge(100);
    expect([check(0), check(100)]).toEqual([1000, BURST * 1000]);
  });

  test("is not read either where every token is held, unless it may wait for one", () => {
    const { check, ports } = setting();
    const { failurePermits } = ports;
    failurePermits.acquire(STRANGER.network, BURST);
    expect(check(0)).toBe(true);
    for (let n = 0; n < IP_BURST; n++) failurePermits.nextRelease(STRANGER.network, IP_BURST);
    expect(check(0)).toBeGreaterThan(0);
    failurePermits.release(STRANGER.network, BURST);
    expect(check(0)).toBe(true);
  });

  test("in shadow mode is always read", async () => {
    const { check, charge } = setting({ failures: { ratePerSecond: 1, burst: BURST, shadow: true } });
    for (let n = 0; n < 3 * BURST; n++) await charge(1);
    expect([check(0), check(10)]).toEqual([true, true]);
  });
});

describe("an address from which a session has verified", () => {
  test("may send what is cheap, however much fails there", async () => {
    const { check, charge, verify } = setting();
    verify();
    for (let n = 0; n < 100; n++) await charge(0);
    expect(check(0)).toBe(true);
  });

  test("may fail at what is dear as often as its IP budget lets it call", async () => {
    const { check, charge, verify } = setting();
    verify();
    for (let n = 0; n < IP_BURST; n++) {
      expect(check(1)).toBe(true);
      await charge(1);
    }
    expect([check(0), check(1)]).toEqual([true, 1000]);
  });

  test("is a stranger again when nobody has verified there for a while", async () => {
    const { check, charge, verify, advance } = setting({ failures: { ratePerSecond: 0.01, burst: BURST } });
    verify();
    for (let n = 0; n < BURST; n++) await charge(0);
    expect([check(0), check(0, OTHER)]).toEqual([true, true]);
    advance(TTL_MS);
    expect(check(0)).not.toBe(true);
  });
});
