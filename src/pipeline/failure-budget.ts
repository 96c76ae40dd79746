import type { BucketDemand, Peer } from "../core/ports.ts";
import { type Reason, Refusal, refuse } from "../core/refusal.ts";
import { SignedBeforeStart } from "./freshness.ts";
import type { PipelinePorts } from "./ports.ts";
import { type Arrival, proven, type WelcomeArrival } from "./proof.ts";

type FailurePorts = Pick<
  PipelinePorts,
  "unverifiedBuckets" | "failureHolds" | "budgets" | "verifiedPeers" | "clock" | "onShadowRefusal"
>;

/** Where the client sees it, a failure budget is a failure budget, whether it is the network's or the session's. */
const SCOPE = "failures";

/** Refusals that are no fault of a session that lately verified: it must be let in as soon as the gateway can tell again. */
const GATEWAY_FAULTS: ReadonlySet<Reason> = new Set(["SESSION_LOOKUP_UNAVAILABLE", "REPLAY_STORE_UNAVAILABLE"]);

/**
 * Check 0, the part of it that is about the peer. An address whose requests keep failing is refused before they cost a look-up or
 * a signature check. A session that lately verified from that address is exempt, so that one bad client does not lock out its
 * neighbours. The exemption goes by a session id that is only claimed, so each exempt session has a failure bucket of its own.
 *
 * Every request holds a token until it is known whether it fails, so that guesses made at once are bounded like guesses in a row.
 */
export async function checkFailureBudget(arrival: Arrival, ports: FailurePorts): Promise<WelcomeArrival> {
  const { peer, message } = arrival;
  const claimed = message.envelope?.deviceSessionId ?? "";
  const isExempt = ports.verifiedPeers.has(peer.network, claimed, ports.clock.now());
  const demand = isExempt ? sessionDemand(peer, claimed, ports) : networkDemand(peer, ports);
  await holdToken(demand, ports);
  return proven<WelcomeArrival>({ ...arrival, failureDemand: demand });
}

/**
 * A token that is there but held may come back any moment: honest clients that all arrive at once (behind one address, after a
 * restart) wait for each other rather than be refused. No more of them than the IP budget would let in together.
 */
async function holdToken(demand: BucketDemand, ports: FailurePorts): Promise<void> {
  const { unverifiedBuckets, failureHolds, budgets, clock } = ports;
  if (demand.budget.shadow === true) {
    reportShadow(demand, ports);
    failureHolds.hold(demand.key);
    return;
  }
  for (;;) {
    const nowMs = clock.now();
    const outcome = unverifiedBuckets.check(demand, nowMs, failureHolds.heldBy(demand.key) + 1);
    if (outcome === true) break;
    const mayComeBack = unverifiedBuckets.check(demand, nowMs) === true;
    const release = mayComeBack ? failureHolds.nextRelease(demand.key, budgets.ip.burst) : undefined;
    if (release === undefined) {
      throw refuse("RATE_LIMITED", { metadata: { scope: SCOPE }, retryAfterMs: outcome.retryAfterMs });
    }
    await release;
  }
  failureHolds.hold(demand.key);
}

/** In shadow mode nobody waits. Refused would have been who came after those who hold a token, and those who would have waited for one. */
function reportShadow(demand: BucketDemand, ports: FailurePorts): void {
  const { unverifiedBuckets, failureHolds, budgets, clock, onShadowRefusal } = ports;
  const tokens = Math.max(1, failureHolds.heldBy(demand.key) + 1 - budgets.ip.burst);
  if (unverifiedBuckets.check(demand, clock.now(), tokens) !== true) onShadowRefusal(SCOPE);
}

/** Charges the peer, and its session where that is exempt, for a request that a check refused; before its token is given back. */
export async function spendFailure(welcome: WelcomeArrival, refusal: unknown, ports: FailurePorts): Promise<void> {
  // That is the restart's doing, and all of an address's clients meet it at once.
  if (refusal instanceof Refusal && refusal.cause instanceof SignedBeforeStart) return;
  const { peer, failureDemand } = welcome;
  const demands = [networkDemand(peer, ports)];
  if (failureDemand.scope === "session_failures" && !isGatewayFault(refusal)) demands.push(failureDemand);
  await ports.unverifiedBuckets.spend(demands, ports.clock.now());
}

/** It is known whether the request fails. */
export function releaseToken({ failureDemand }: WelcomeArrival, { failureHolds }: FailurePorts): void {
  failureHolds.release(failureDemand.key);
}

function isGatewayFault(refusal: unknown): boolean {
  return refusal instanceof Refusal && GATEWAY_FAULTS.has(refusal.reason);
}

function networkDemand({ network }: Peer, { budgets }: FailurePorts): BucketDemand {
  return { scope: "failures", key: network, budget: budgets.failures };
}

function sessionDemand({ network }: Peer, deviceSessionId: string, { budgets }: FailurePorts): BucketDemand {
  return { scope: "session_failures", key: `${network} ${deviceSessionId}`, budget: budgets.failures };
}
