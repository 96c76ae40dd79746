import { Refusal } from "../core/refusal.ts";
import { takeBudgets } from "./budgets.ts";
import { checkEnvelope } from "./envelope.ts";
import { checkFailureBudget, releasePermits, spendFailure } from "./failure-budget.ts";
import { claimFreshness } from "./freshness.ts";
import { checkPayloadHash } from "./payload-hash.ts";
import type { PipelinePorts } from "./ports.ts";
import type { AdmittedRequest, FreshRequest, IncomingRequest, PrecheckedRequest } from "./proof.ts";
import { findSession } from "./session.ts";
import { checkSignature } from "./signature.ts";

/** Runs checks 0 to 7, which are the same for all RPCs. Throws the refusal of the first check that fails. */
export async function admit(request: IncomingRequest, ports: PipelinePorts): Promise<AdmittedRequest> {
  const prechecked = await checkFailureBudget(request, ports);
  const fresh = await verifyAndCharge(prechecked, ports);
  return takeBudgets(fresh, ports);
}

async function verifyAndCharge(prechecked: PrecheckedRequest, ports: PipelinePorts): Promise<FreshRequest> {
  try {
    return await verify(prechecked, ports);
  } catch (refusal) {
    await spendFailure(prechecked, refusal, ports);
    throw refusal;
  } finally {
    releasePermits(prechecked, ports);
  }
}

/**
 * The order of these calls is part of the security contract (proto/README.md, "Order of checks"). Each call needs the proof of
 * the previous call.
 */
async function verify(request: PrecheckedRequest, ports: PipelinePorts): Promise<FreshRequest> {
  const wellFormed = checkEnvelope(request, ports.payloadBytesMax);
  const known = await findSession(wellFormed, ports.sessions);
  const intact = checkPayloadHash(known);
  const verified = checkSignature(intact);
  try {
    const fresh = await claimFreshness(verified, ports);
    markVerified(fresh, ports);
    return fresh;
  } catch (refusal) {
    // An outage of the replay store is not the fault of the client. So a session that is exempt from the failure budget of its
    // network stays exempt.
    if (refusal instanceof Refusal && refusal.reason === "REPLAY_STORE_UNAVAILABLE" && isVerified(verified, ports)) {
      markVerified(verified, ports);
    }
    throw refusal;
  }
}

function isVerified({ peer, session }: Pick<FreshRequest, "peer" | "session">, ports: PipelinePorts): boolean {
  return ports.verifiedPeers.has(peer.network, session.deviceSessionId, ports.clock.now());
}

/**
 * Records that the session was verified from this network. Must run after the replay check: a replayed request must not mark
 * its sender as verified.
 */
function markVerified({ peer, session }: Pick<FreshRequest, "peer" | "session">, ports: PipelinePorts): void {
  ports.verifiedPeers.remember(peer.network, session.deviceSessionId, ports.clock.now());
}
