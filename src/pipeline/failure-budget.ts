import type { BucketDemand, Peer, TakeRefusal } from "../core/ports.ts";
import { type Reason, Refusal, refuse } from "../core/refusal.ts";
import { SignedBeforeStart } from "./freshness.ts";
import type { PipelinePorts } from "./ports.ts";
import { type IncomingRequest, type PrecheckedRequest, proven } from "./proof.ts";

export type FailurePorts = Pick<
  PipelinePorts,
  "unverifiedBuckets" | "failurePermits" | "budgets" | "verifiedPeers" | "clock" | "onShadowRefusal"
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
export async function checkFailureBudget(request: IncomingRequest, ports: FailurePorts): Promise<PrecheckedRequest> {
  const { peer, message } = request;
  const claimed = message.envelope?.deviceSessionId ?? "";
  const isExempt = ports.verifiedPeers.has(peer.network, claimed, ports.clock.now());
  const demand = isExempt ? sessionDemand(peer, claimed, ports) : networkDemand(peer, ports);
  const permits = tokensOf(request.cost, demand);
  try {
    await acquirePermits(demand, permits, ports);
  } catch (refusal) {
    // It has been decoded, which is all that whoever sends it may have been after.
    await chargeKnownNetwork(peer, request.cost, ports);
    throw refusal;
  }
  return proven<PrecheckedRequest>({ ...request, failureDemand: demand, permits });
}

/**
 * Check 0, the part of it that comes before a request is read, and again before it is unpacked and decoded. `cost`: how many failures
 * that may cost as much as, 0 where it is cheap. An address from which some session has lately verified may send what is cheap, whatever
 * its neighbours do; and what is not, as often as its `ip` budget lets it call. Throws RATE_LIMITED; takes nothing.
 */
export function checkPeer(peer: Peer, cost: number, ports: FailurePorts): void {
  const { unverifiedBuckets, failurePermits, budgets, verifiedPeers, clock } = ports;
  const demand = networkDemand(peer, ports);
  if (demand.budget.shadow === true) return;
  const nowMs = clock.now();
  const tokens = tokensOf(cost, demand);
  const outcome = unverifiedBuckets.check(demand, nowMs, failurePermits.held(demand.key) + tokens);
  if (outcome === true) return;
  if (verifiedPeers.hasAny(peer.network, nowMs)) {
    const known = knownDemand(peer, ports);
    const isLeft = cost === 0 || known.budget.shadow === true || unverifiedBuckets.check(known, nowMs, tokensOf(cost, known));
    if (isLeft === true) return;
    throw rateLimited(isLeft);
  }
  const mayComeBack = failurePermits.mayWait(demand.key, budgets.ip.burst);
  if (!mayComeBack || unverifiedBuckets.check(demand, nowMs, tokens) !== true) throw rateLimited(outcome);
}

/** Charges the peer for a request that could not be decoded. */
export async function chargePeer(peer: Peer, cost: number, ports: FailurePorts): Promise<void> {
  const demand = networkDemand(peer, ports);
  await ports.unverifiedBuckets.spend(times(demand, tokensOf(cost, demand)), ports.clock.now());
  await chargeKnownNetwork(peer, cost, ports);
}

async function chargeKnownNetwork(peer: Peer, cost: number, ports: FailurePorts): Promise<void> {
  const nowMs = ports.clock.now();
  if (cost === 0 || !ports.verifiedPeers.hasAny(peer.network, nowMs)) return;
  const demand = knownDemand(peer, ports);
  await ports.unverifiedBuckets.spend(times(demand, tokensOf(cost, demand)), nowMs);
}

/**
 * A token that is there but held may come back any moment: honest clients that all arrive at once (behind one address, after a
 * restart) wait for each other rather than be refused. No more of them than the IP budget would let in together.
 */
async function acquirePermits(demand: BucketDemand, tokens: number, ports: FailurePorts): Promise<void> {
  const { unverifiedBuckets, failurePermits, budgets, clock } = ports;
  if (demand.budget.shadow === true) {
    reportShadow(demand, ports);
    failurePermits.acquire(demand.key, tokens);
    return;
  }
  for (;;) {
    const nowMs = clock.now();
    const outcome = unverifiedBuckets.check(demand, nowMs, failurePermits.held(demand.key) + tokens);
    if (outcome === true) break;
    const mayComeBack = unverifiedBuckets.check(demand, nowMs, tokens) === true;
    const release = mayComeBack ? failurePermits.nextRelease(demand.key, budgets.ip.burst) : undefined;
    if (release === undefined) throw rateLimited(outcome);
    await release;
  }
  failurePermits.acquire(demand.key, tokens);
}

function rateLimited({ retryAfterMs }: TakeRefusal): Refusal {
  return refuse("RATE_LIMITED", { metadata: { scope: SCOPE }, retryAfterMs });
}

/** In shadow mode nobody waits. Refused would have been who came after those who hold a token, and those who would have waited for one. */
function reportShadow(demand: BucketDemand, ports: FailurePorts): void {
  const { unverifiedBuckets, failurePermits, budgets, clock, onShadowRefusal } = ports;
  const tokens = Math.max(1, failurePermits.held(demand.key) + 1 - budgets.ip.burst);
  if (unverifiedBuckets.check(demand, clock.now(), tokens) !== true) onShadowRefusal(SCOPE);
}

/** Charges the peer, and its session where that is exempt, for a request that a check refused; before its token is given back. */
export async function spendFailure(prechecked: PrecheckedRequest, refusal: unknown, ports: FailurePorts): Promise<void> {
  // That is the restart's doing, and all of an address's clients meet it at once.
  if (refusal instanceof Refusal && refusal.cause instanceof SignedBeforeStart) return;
  const { peer, failureDemand } = prechecked;
  const network = networkDemand(peer, ports);
  const demands = times(network, tokensOf(prechecked.cost, network));
  if (failureDemand.scope === "session_failures" && !isGatewayFault(refusal)) {
    demands.push(...times(failureDemand, prechecked.permits));
  }
  await ports.unverifiedBuckets.spend(demands, ports.clock.now());
}

/** It is known whether the request fails. */
export function releasePermits({ failureDemand, permits }: PrecheckedRequest, { failurePermits }: FailurePorts): void {
  failurePermits.release(failureDemand.key, permits);
}

/** How many tokens stand behind a request of that cost: one at least, and no more than a full bucket has. */
function tokensOf(cost: number, { budget }: BucketDemand): number {
  return Math.max(1, Math.min(cost, Math.floor(budget.burst)));
}

function times(demand: BucketDemand, tokens: number): BucketDemand[] {
  return Array.from({ length: tokens }, () => demand);
}

function isGatewayFault(refusal: unknown): boolean {
  return refusal instanceof Refusal && GATEWAY_FAULTS.has(refusal.reason);
}

function networkDemand({ network }: Peer, { budgets }: FailurePorts): BucketDemand {
  return { scope: "failures", key: network, budget: budgets.failures };
}

/** What a network of verified sessions fails at without a session's name. Among the buckets of those, and under none's name. */
function knownDemand({ network }: Peer, { budgets }: FailurePorts): BucketDemand {
  return { scope: "session_failures", key: `${network} *`, budget: budgets.ip };
}

function sessionDemand({ network }: Peer, deviceSessionId: string, { budgets }: FailurePorts): BucketDemand {
  return { scope: "session_failures", key: `${network} ${deviceSessionId}`, budget: budgets.failures };
}
