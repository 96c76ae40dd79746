import { describe, expect, test } from "bun:test";
import type { Peer } from "../../../src/core/admission.ts";
import { Refusal } from "../../../src/core/refusal.ts";
import { chargePeer, checkPeer } from "../../../src/pipeline/failure-budget.ts";
import type { PipelinePorts } from "../../../src/pipeline/ports.ts";
import { MemoryBucketStore } from "../../../src/stores/memory/buckets.ts";
import { MemoryVerifiedPeers } from "../../../src/stores/memory/verified-peers.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { createPorts, NOW } from "./support/fixture.ts";

/** Check 0 before a request is read, and the charge for requests that cannot be decoded. */

const BURST = 4;
const IP_BURST = 6;
const TTL_MS = 30_000;
const UNVERIFIED: Peer = { address: "192.0.2.1", network: "192.0.2.1" };
const OTHER: Peer = { address: "192.0.2.2", network: "192.0.2.2" };

function createGuard(budgets: Partial<PipelinePorts["budgets"]> = {}) {
  const clock = new ManualClock(NOW);
  const buckets = new MemoryBucketStore({ entriesMax: 100 });
  const { ports } = createPorts({
    buckets,
    unverifiedBuckets: buckets,
    verifiedPeers: new MemoryVerifiedPeers({ ttlMs: TTL_MS, entriesMax: 100 }),
    clock,
  });
  Object.assign(ports.budgets, {
    failures: { ratePerSecond: 1, burst: BURST },
    ip: { ratePerSecond: 1, burst: IP_BURST },
    ...budgets,
  });
  return {
    ports,
    advance: (ms: number) => clock.advance(ms),
    /** Returns `true` if the request may be read, otherwise `retryAfterMs`. */
    check(cost: number, peer = UNVERIFIED): true | number {
      try {
        checkPeer(peer, cost, ports);
        return true;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        expect([error.reason, error.metadata]).toEqual(["RATE_LIMITED", { scope: "failures" }]);
        return error.retryAfterMs ?? expect.unreachable();
      }
    },
    charge: (cost: number, peer = UNVERIFIED) => chargePeer(peer, cost, ports),
    /** Marks a session as verified from the peer's network. */
    verify: (peer = UNVERIFIED) => ports.verifiedPeers.remember(peer.network, "session-1", clock.now()),
  };
}

describe("a network without verified sessions", () => {
  test("is refused when its failure budget is empty, until it has a token again", async () => {
    const { check, charge, advance } = createGuard();
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

  test("needs and pays as many tokens as its request may cost", async () => {
    const { check, charge } = createGuard();
    expect([check(BURST), check(BURST - 1)]).toEqual([true, true]);
    await charge(BURST - 1);
    expect([check(1), check(2)]).toEqual([true, 1000]);
  });

  test("with a full bucket may send a request of any cost, which then empties the bucket", async () => {
    const { check, charge } = createGuard();
    expect(check(100)).toBe(true);
    await charge(100);
    expect([check(0), check(100)]).toEqual([1000, BURST * 1000]);
  });

  test("is refused if all tokens are held and the waiting queue is full", () => {
    const { check, ports } = createGuard();
    const { failurePermits } = ports;
    failurePermits.acquire(UNVERIFIED.network, BURST);
    expect(check(0)).toBe(true);
    for (let n = 0; n < IP_BURST; n++) failurePermits.nextRelease(UNVERIFIED.network, IP_BURST);
    expect(check(0)).toBeGreaterThan(0);
    failurePermits.release(UNVERIFIED.network, BURST);
    expect(check(0)).toBe(true);
  });

  test("is never refused in shadow mode", async () => {
    const { check, charge } = createGuard({ failures: { ratePerSecond: 1, burst: BURST, shadow: true } });
    for (let n = 0; n < 3 * BURST; n++) await charge(1);
    expect([check(0), check(10)]).toEqual([true, true]);
  });
});

describe("a network with a verified session", () => {
  test("may always send cheap requests, however many fail", async () => {
    const { check, charge, verify } = createGuard();
    verify();
    for (let n = 0; n < 100; n++) await charge(0);
    expect(check(0)).toBe(true);
  });

  test("may fail expensive requests as often as its ip budget allows calls", async () => {
    const { check, charge, verify } = createGuard();
    verify();
    for (let n = 0; n < IP_BURST; n++) {
      expect(check(1)).toBe(true);
      await charge(1);
    }
    expect([check(0), check(1)]).toEqual([true, 1000]);
  });

  test("loses this exemption ttlMs after the last verification", async () => {
    const { check, charge, verify, advance } = createGuard({ failures: { ratePerSecond: 0.01, burst: BURST } });
    verify();
    for (let n = 0; n < BURST; n++) await charge(0);
    expect([check(0), check(0, OTHER)]).toEqual([true, true]);
    advance(TTL_MS);
    expect(check(0)).not.toBe(true);
  });
});
