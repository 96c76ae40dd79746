import { Refusal } from "../core/refusal.ts";
import { takeBudgets } from "./budgets.ts";
import { checkEnvelope } from "./envelope.ts";
import { checkFailureBudget, releaseTokens, spendFailure } from "./failure-budget.ts";
import { claimFreshness } from "./freshness.ts";
import { checkPayloadHash } from "./payload-hash.ts";
import type { PipelinePorts } from "./ports.ts";
import type { AdmittedRequest, Arrival, FreshRequest, WelcomeArrival } from "./proof.ts";
import { findSession } from "./session.ts";
import { checkSignature } from "./signature.ts";

/**
 * Lets a request in, or throws the refusal of the first check that it fails. Both RPCs come through here; they differ in what
 * is done with an admitted request.
 */
export async function admit(arrival: Arrival, ports: PipelinePorts): Promise<AdmittedRequest> {
  const welcome = await checkFailureBudget(arrival, ports);
  const fresh = await verifyAndSettle(welcome, ports);
  return takeBudgets(fresh, ports);
}

async function verifyAndSettle(welcome: WelcomeArrival, ports: PipelinePorts): Promise<FreshRequest> {
  try {
    return await verify(welcome, ports);
  } catch (refusal) {
    await spendFailure(welcome, refusal, ports);
    throw refusal;
  } finally {
    releaseTokens(welcome, ports);
  }
}

/** The order of these lines is the security contract: proto/README.md, "Order of checks". Each needs what the one before proved. */
async function verify(arrival: WelcomeArrival, ports: PipelinePorts): Promise<FreshRequest> {
  const wellFormed = checkEnvelope(arrival, ports.payloadBytesMax);
  const known = await findSession(wellFormed, ports.sessions);
  const intact = checkPayloadHash(known);
  const verified = checkSignature(intact);
  try {
    const fresh = await claimFreshness(verified, ports);
    makeAcquaintance(fresh, ports);
    return fresh;
  } catch (refusal) {
    // What the store cannot tell is no fault of the caller's, who must not lose an exemption by it.
    if (refusal instanceof Refusal && refusal.reason === "REPLAY_STORE_UNAVAILABLE" && isAcquainted(verified, ports)) {
      makeAcquaintance(verified, ports);
    }
    throw refusal;
  }
}

function isAcquainted({ peer, session }: Pick<FreshRequest, "peer" | "session">, ports: PipelinePorts): boolean {
  return ports.verifiedPeers.has(peer.network, session.deviceSessionId, ports.clock.now());
}

/** Not before check 6: whoever repeats a request that another signed is no acquaintance of ours. */
function makeAcquaintance({ peer, session }: Pick<FreshRequest, "peer" | "session">, ports: PipelinePorts): void {
  ports.verifiedPeers.remember(peer.network, session.deviceSessionId, ports.clock.now());
}
