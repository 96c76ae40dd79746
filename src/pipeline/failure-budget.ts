import type { BucketDemand, Peer } from "../core/ports.ts";
import { refuse } from "../core/refusal.ts";
import type { PipelinePorts } from "./ports.ts";
import { type Arrival, proven, type WelcomeArrival } from "./proof.ts";

type FailurePorts = Pick<PipelinePorts, "buckets" | "budgets" | "verifiedPeers" | "clock">;

/**
 * Check 0, the part of it that is about the peer. An address whose requests keep failing is refused before they cost a look-up or
 * a signature check, but for sessions that lately verified from that address: one bad client does not lock out its neighbours.
 */
export async function checkFailureBudget(arrival: Arrival, ports: FailurePorts): Promise<WelcomeArrival> {
  const { peer, message } = arrival;
  const now = ports.clock.now();
  const outcome = await ports.buckets.check(failureDemand(peer, ports), now);
  const claimed = message.envelope?.deviceSessionId ?? "";
  if (outcome !== true && !ports.verifiedPeers.has(peer.network, claimed, now)) {
    throw refuse("RATE_LIMITED", { metadata: { scope: outcome.refusedBy }, retryAfterMs: outcome.retryAfterMs });
  }
  return proven<WelcomeArrival>(arrival);
}

/** Charges the peer for a request that a check refused, and passes the refusal on. */
export async function spendFailure(peer: Peer, refusal: unknown, ports: FailurePorts): Promise<never> {
  await ports.buckets.take([failureDemand(peer, ports)], ports.clock.now());
  throw refusal;
}

function failureDemand(peer: Peer, ports: FailurePorts): BucketDemand {
  return { scope: "failures", key: peer.network, budget: ports.budgets.failures };
}
