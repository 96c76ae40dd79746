import type { Peer } from "../core/admission.ts";
import type { BucketDemand, TakeRefusal } from "../core/buckets.ts";
import { isDeviceSessionId } from "../core/grammar.ts";
import type { Reason } from "../core/reasons.ts";
import { Refusal, refuse } from "../core/refusal.ts";
import { SignedBeforeStart } from "./freshness.ts";
import type { PipelinePorts } from "./ports.ts";
import { type IncomingRequest, type PrecheckedRequest, proven } from "./proof.ts";

export type FailurePorts = Pick<
  PipelinePorts,
  "unverifiedBuckets" | "failurePermits" | "budgets" | "verifiedPeers" | "clock" | "onShadowRefusal"
>;

/** The `scope` in RATE_LIMITED refusals of check 0. It is the same for the failure buckets of networks and of sessions. */
const SCOPE = "failures";

/** Retry delay of RATE_LIMITED if the gateway cannot count the tokens that requests hold, in ms. */
const NO_ROOM_RETRY_MS = 1000;

/**
 * Refusals that are the fault of the gateway. They are not charged to the failure bucket of a recently verified session. So the
 * session is admitted as soon as the gateway has recovered.
 */
const GATEWAY_FAULTS: ReadonlySet<Reason> = new Set(["SESSION_LOOKUP_UNAVAILABLE", "REPLAY_STORE_UNAVAILABLE"]);

/**
 * Check 0, after decoding. Refuses a request from a network with many recent failures, before the request causes a session
 * look-up or a signature check.
 *
 * - A session that was recently verified from the network is exempt from the network's failure bucket. So one bad client does
 *   not block other clients behind the same address.
 * - Each exempt session has its own failure bucket, because anyone can send its session id: the id is not verified yet.
 * - A request holds failure permits until it has failed or succeeded. So parallel requests cannot fail more often than
 *   sequential requests.
 */
export async function checkFailureBudget(request: IncomingRequest, ports: FailurePorts): Promise<PrecheckedRequest> {
  const { peer, message } = request;
  const claimedSessionId = message.envelope?.deviceSessionId ?? "";
  // `isDeviceSessionId` runs first, because it limits the length of the id. `verifiedPeers.has` hashes the complete id.
  const isExempt =
    isDeviceSessionId(claimedSessionId) && ports.verifiedPeers.has(peer.network, claimedSessionId, ports.clock.now());
  const demand = isExempt ? sessionDemand(peer, claimedSessionId, ports) : networkDemand(peer, ports);
  const permits = tokensOf(request.cost, demand);
  try {
    await acquirePermits(demand, permits, ports);
  } catch (refusal) {
    // The decoding is charged even if the request is refused here. Otherwise, an attacker could make the gateway decode any
    // number of messages.
    await chargeVerifiedNetwork(peer, request.cost, ports);
    throw refusal;
  }
  return proven<PrecheckedRequest>({ ...request, failureDemand: demand, permits });
}

/**
 * Check 0 for a request that is not decoded yet. Runs before the request is read, and again before it is decompressed and
 * decoded.
 *
 * - `cost` is the number of tokens that the next step costs. It is 0 if the step is cheap.
 * - Throws RATE_LIMITED if the network's failure bucket has fewer tokens than `cost`, or no token. Takes no tokens.
 *
 * Exception: if a session was recently verified from the network, the failure bucket refuses nothing. Instead:
 *
 * - A cheap step always passes.
 * - Any other step passes if a second bucket of the network has enough tokens (see `verifiedNetworkDemand`).
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

/** Charges `cost` to the failure bucket of the network. Used for requests that could not be decoded, for example. */
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
 * Acquires the failure permits of a request. If other requests hold the tokens that the request needs, the request waits. This
 * allows many honest clients behind one address to connect simultaneously after a restart.
 *
 * Throws RATE_LIMITED in three cases: the bucket has too few tokens, `ip.burst` requests already wait for this bucket, or there is
 * no room to count the held tokens.
 */
async function acquirePermits(demand: BucketDemand, tokens: number, ports: FailurePorts): Promise<void> {
  const { unverifiedBuckets, failurePermits, budgets, clock } = ports;
  const { key } = demand;
  if (demand.budget.shadow === true) {
    reportShadow(demand, ports);
    failurePermits.acquire(key, tokens);
    return;
  }
  for (;;) {
    // The request first holds its tokens, and then checks the bucket. In the other order, requests of two workers could both
    // pass the check with the last token.
    if (!failurePermits.acquire(key, tokens)) throw rateLimited({ refusedBy: demand.scope, retryAfterMs: NO_ROOM_RETRY_MS });
    const nowMs = clock.now();
    const outcome = unverifiedBuckets.check(demand, nowMs, failurePermits.held(key));
    if (outcome === true) return;
    failurePermits.giveBack(key, tokens);
    const areHeld = unverifiedBuckets.check(demand, nowMs, tokens) === true;
    // If other workers have released all held tokens in the meantime, tries again.
    if (areHeld && failurePermits.held(key) === 0) continue;
    const release = areHeld ? failurePermits.nextRelease(key, budgets.ip.burst) : undefined;
    if (release === undefined) throw rateLimited(outcome);
    await release;
  }
}

function rateLimited({ retryAfterMs }: TakeRefusal): Refusal {
  // The delay is infinite if the number of held tokens is unknown; see `HeldCounts.held`.
  const delayMs = Number.isFinite(retryAfterMs) ? retryAfterMs : NO_ROOM_RETRY_MS;
  return refuse("RATE_LIMITED", { metadata: { scope: SCOPE }, retryAfterMs: delayMs });
}

/**
 * Calls `onShadowRefusal` if the request passes only because the failure budget is in shadow mode.
 *
 * In shadow mode, every request holds tokens, and none waits. Without shadow mode, up to `ip.burst` of these requests would
 * wait and hold no tokens. So `ip.burst` is subtracted from the number of held tokens.
 */
function reportShadow(demand: BucketDemand, ports: FailurePorts): void {
  const { unverifiedBuckets, failurePermits, budgets, clock, onShadowRefusal } = ports;
  const tokens = Math.max(1, failurePermits.held(demand.key) + 1 - budgets.ip.burst);
  if (unverifiedBuckets.check(demand, clock.now(), tokens) !== true) onShadowRefusal(SCOPE);
}

/**
 * Charges a refused request to the network's failure bucket. If check 0 used the failure bucket of the session, also charges
 * this bucket. A refusal in `GATEWAY_FAULTS` is not charged to the failure bucket of the session.
 *
 * Must run before `releasePermits`. Otherwise, another request could acquire the tokens in between.
 */
export async function spendFailure(prechecked: PrecheckedRequest, refusal: unknown, ports: FailurePorts): Promise<void> {
  // A request that was signed before the gateway started is not charged. After a restart, all clients behind one address may
  // send such requests simultaneously.
  if (refusal instanceof Refusal && refusal.cause instanceof SignedBeforeStart) return;
  const { peer, failureDemand } = prechecked;
  const network = networkDemand(peer, ports);
  const demands = times(network, tokensOf(prechecked.cost, network));
  if (failureDemand.scope === "session_failures" && !isGatewayFault(refusal)) {
    demands.push(...times(failureDemand, prechecked.permits));
  }
  await ports.unverifiedBuckets.spend(demands, ports.clock.now());
}

/** Releases the failure permits that a request holds. Call this function when the request has failed or succeeded. */
export function releasePermits({ failureDemand, permits }: PrecheckedRequest, { failurePermits }: FailurePorts): void {
  failurePermits.release(failureDemand.key, permits);
}

/** Converts the cost of a request to a number of tokens: at least one, and at most the burst of the bucket. */
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

/**
 * A network with recently verified sessions has a second bucket beside its failure bucket. The second bucket limits the
 * decoding of messages that are refused before their session is known. Its key has "*" instead of a session id, so it differs
 * from the key of any session.
 */
function verifiedNetworkDemand({ network }: Peer, { budgets }: FailurePorts): BucketDemand {
  return { scope: "session_failures", key: `${network} *`, budget: budgets.ip };
}

function sessionDemand({ network }: Peer, deviceSessionId: string, { budgets }: FailurePorts): BucketDemand {
  return { scope: "session_failures", key: `${network} ${deviceSessionId}`, budget: budgets.failures };
}
