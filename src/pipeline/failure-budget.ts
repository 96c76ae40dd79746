import type { Peer } from "../core/admission.ts";
import type { BucketDemand, TakeRefusal } from "../core/buckets.ts";
import { isDeviceSessionId } from "../core/grammar.ts";
import { type Reason, Refusal, refuse } from "../core/refusal.ts";
import { SignedBeforeStart } from "./freshness.ts";
import type { PipelinePorts } from "./ports.ts";
import { type IncomingRequest, type PrecheckedRequest, proven } from "./proof.ts";

export type FailurePorts = Pick<
  PipelinePorts,
  "unverifiedBuckets" | "failurePermits" | "budgets" | "verifiedPeers" | "clock" | "onShadowRefusal"
>;

/** The scope that clients see in RATE_LIMITED, for the network's failure budget and for the session's. */
const SCOPE = "failures";

/** Refusals that do not charge an exempt session: it must be admitted as soon as the gateway has recovered. */
const GATEWAY_FAULTS: ReadonlySet<Reason> = new Set(["SESSION_LOOKUP_UNAVAILABLE", "REPLAY_STORE_UNAVAILABLE"]);

/**
 * Check 0, after decoding. Refuses requests from a network with many recent failures, before they cost a session look-up or a signature
 * check. A session that was recently verified from that network is exempt, so that one bad client does not lock out other clients behind
 * the same address. The session id is not verified yet, so each exempt session has its own failure bucket.
 *
 * Every request holds failure permits until it is known whether it fails. So concurrent guesses are limited like sequential ones.
 */
export async function checkFailureBudget(request: IncomingRequest, ports: FailurePorts): Promise<PrecheckedRequest> {
  const { peer, message } = request;
  const claimedSessionId = message.envelope?.deviceSessionId ?? "";
  // The grammar bounds the length: the look-up hashes all of an id, and an id may fill a request.
  const isExempt =
    isDeviceSessionId(claimedSessionId) && ports.verifiedPeers.has(peer.network, claimedSessionId, ports.clock.now());
  const demand = isExempt ? sessionDemand(peer, claimedSessionId, ports) : networkDemand(peer, ports);
  const permits = tokensOf(request.cost, demand);
  try {
    await acquirePermits(demand, permits, ports);
  } catch (refusal) {
    // Decoding is paid for even if the request is refused here: an attacker may only want to cause that cost.
    await chargeVerifiedNetwork(peer, request.cost, ports);
    throw refusal;
  }
  return proven<PrecheckedRequest>({ ...request, failureDemand: demand, permits });
}

/**
 * Check 0, before a request is read, and again before it is decompressed and decoded. `cost` is the cost of the next step, in failures;
 * 0 if it is cheap. If a session was recently verified from the network, cheap steps are always allowed, and others as often as the `ip`
 * budget allows calls. Throws RATE_LIMITED. Takes no tokens.
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
    const verified = verifiedNetworkDemand(peer, ports);
    const isFree = cost === 0 || verified.budget.shadow === true;
    const allowed = isFree || unverifiedBuckets.check(verified, nowMs, tokensOf(cost, verified));
    if (allowed === true) return;
    throw rateLimited(allowed);
  }
  const mayWait = failurePermits.mayWait(demand.key, budgets.ip.burst);
  if (!mayWait || unverifiedBuckets.check(demand, nowMs, tokens) !== true) throw rateLimited(outcome);
}

/** Charges the network for a request that could not be decoded. */
export async function chargePeer(peer: Peer, cost: number, ports: FailurePorts): Promise<void> {
  const demand = networkDemand(peer, ports);
  await ports.unverifiedBuckets.spend(times(demand, tokensOf(cost, demand)), ports.clock.now());
  await chargeVerifiedNetwork(peer, cost, ports);
}

async function chargeVerifiedNetwork(peer: Peer, cost: number, ports: FailurePorts): Promise<void> {
  const nowMs = ports.clock.now();
  if (cost === 0 || !ports.verifiedPeers.hasAny(peer.network, nowMs)) return;
  const demand = verifiedNetworkDemand(peer, ports);
  await ports.unverifiedBuckets.spend(times(demand, tokensOf(cost, demand)), nowMs);
}

/**
 * If tokens exist but other requests hold them, the request waits instead of being refused: after a restart, many honest clients behind
 * one address connect simultaneously. At most `ip.burst` requests of a network wait.
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
    const areHeld = unverifiedBuckets.check(demand, nowMs, tokens) === true;
    const release = areHeld ? failurePermits.nextRelease(demand.key, budgets.ip.burst) : undefined;
    if (release === undefined) throw rateLimited(outcome);
    await release;
  }
  failurePermits.acquire(demand.key, tokens);
}

function rateLimited({ retryAfterMs }: TakeRefusal): Refusal {
  return refuse("RATE_LIMITED", { metadata: { scope: SCOPE }, retryAfterMs });
}

/** In shadow mode no request waits. Reports the requests that would exceed both the held tokens and the waiting queue. */
function reportShadow(demand: BucketDemand, ports: FailurePorts): void {
  const { unverifiedBuckets, failurePermits, budgets, clock, onShadowRefusal } = ports;
  const tokens = Math.max(1, failurePermits.held(demand.key) + 1 - budgets.ip.burst);
  if (unverifiedBuckets.check(demand, clock.now(), tokens) !== true) onShadowRefusal(SCOPE);
}

/** Charges the network, and an exempt session, for a refused request. Must run before the request's permits are released. */
export async function spendFailure(prechecked: PrecheckedRequest, refusal: unknown, ports: FailurePorts): Promise<void> {
  // A restart of the gateway causes this, for all clients behind one address simultaneously.
  if (refusal instanceof Refusal && refusal.cause instanceof SignedBeforeStart) return;
  const { peer, failureDemand } = prechecked;
  const network = networkDemand(peer, ports);
  const demands = times(network, tokensOf(prechecked.cost, network));
  if (failureDemand.scope === "session_failures" && !isGatewayFault(refusal)) {
    demands.push(...times(failureDemand, prechecked.permits));
  }
  await ports.unverifiedBuckets.spend(demands, ports.clock.now());
}

/** Releases the permits of a request once it is known whether it fails. */
export function releasePermits({ failureDemand, permits }: PrecheckedRequest, { failurePermits }: FailurePorts): void {
  failurePermits.release(failureDemand.key, permits);
}

/** The tokens that a request of this cost needs: at least one, at most a full bucket. */
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

/** The bucket of a network with verified sessions, for failures that belong to no session. "*" is not a valid session id. */
function verifiedNetworkDemand({ network }: Peer, { budgets }: FailurePorts): BucketDemand {
  return { scope: "session_failures", key: `${network} *`, budget: budgets.ip };
}

function sessionDemand({ network }: Peer, deviceSessionId: string, { budgets }: FailurePorts): BucketDemand {
  return { scope: "session_failures", key: `${network} ${deviceSessionId}`, budget: budgets.failures };
}
