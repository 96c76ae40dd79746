import type { BucketDemand, Peer } from "../core/ports.ts";
import { Refusal, refuse } from "../core/refusal.ts";
import { SignedBeforeStart } from "./freshness.ts";
import type { PipelinePorts } from "./ports.ts";
import { type Arrival, proven, type WelcomeArrival } from "./proof.ts";

type FailurePorts = Pick<
  PipelinePorts,
  "unverifiedBuckets" | "failureHolds" | "budgets" | "verifiedPeers" | "clock" | "onShadowRefusal"
>;

/**
 * Check 0, the part of it that is about the peer. An address whose requests keep failing is refused before they cost a look-up or
 * a signature check, but for sessions that lately verified from that address: one bad client does not lock out its neighbours.
 * Everybody else holds a token until it is known whether the request fails, so that the look-ups of guesses made at once are bounded
 * like those of guesses in a row.
 */
export async function checkFailureBudget(arrival: Arrival, ports: FailurePorts): Promise<WelcomeArrival> {
  const { peer, message } = arrival;
  const claimed = message.envelope?.deviceSessionId ?? "";
  const isExempt = ports.verifiedPeers.has(peer.network, claimed, ports.clock.now());
  if (!isExempt) await holdToken(peer, ports);
  return proven<WelcomeArrival>({ ...arrival, holdsToken: !isExempt });
}

/**
 * A token that is there but held may come back any moment: honest clients that all arrive at once (behind one address, after a
 * restart) wait for each other rather than be refused. No more of them than the IP budget would let in together.
 */
async function holdToken(peer: Peer, ports: FailurePorts): Promise<void> {
  const { unverifiedBuckets, failureHolds, budgets, clock } = ports;
  const demand = failureDemand(peer, ports);
  if (demand.budget.shadow === true) {
    reportShadow(peer, demand, ports);
    failureHolds.hold(peer.network);
    return;
  }
  for (;;) {
    const nowMs = clock.now();
    const outcome = unverifiedBuckets.check(demand, nowMs, failureHolds.heldBy(peer.network) + 1);
    if (outcome === true) break;
    const mayComeBack = unverifiedBuckets.check(demand, nowMs) === true;
    const release = mayComeBack ? failureHolds.nextRelease(peer.network, budgets.ip.burst) : undefined;
    if (release === undefined) {
      throw refuse("RATE_LIMITED", { metadata: { scope: outcome.refusedBy }, retryAfterMs: outcome.retryAfterMs });
    }
    await release;
  }
  failureHolds.hold(peer.network);
}

/** In shadow mode nobody waits. Refused would have been who came after those who hold a token, and those who would have waited for one. */
function reportShadow({ network }: Peer, demand: BucketDemand, ports: FailurePorts): void {
  const { unverifiedBuckets, failureHolds, budgets, clock, onShadowRefusal } = ports;
  const tokens = Math.max(1, failureHolds.heldBy(network) + 1 - budgets.ip.burst);
  if (unverifiedBuckets.check(demand, clock.now(), tokens) !== true) onShadowRefusal(demand.scope);
}

/** Charges the peer for a request that a check refused; before its token is given back. */
export async function spendFailure(peer: Peer, refusal: unknown, ports: FailurePorts): Promise<void> {
  // That is the restart's doing, and all of an address's clients meet it at once.
  if (refusal instanceof Refusal && refusal.cause instanceof SignedBeforeStart) return;
  await ports.unverifiedBuckets.spend(failureDemand(peer, ports), ports.clock.now());
}

/** It is known whether the request fails. */
export function releaseToken({ peer, holdsToken }: WelcomeArrival, { failureHolds }: FailurePorts): void {
  if (holdsToken) failureHolds.release(peer.network);
}

function failureDemand(peer: Peer, ports: FailurePorts): BucketDemand {
  return { scope: "failures", key: peer.network, budget: ports.budgets.failures };
}
