import { takeBudgets } from "./budgets.ts";
import { checkEnvelope } from "./envelope.ts";
import { checkFailureBudget, releaseToken, spendFailure } from "./failure-budget.ts";
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
    await spendFailure(welcome.peer, refusal, ports);
    throw refusal;
  } finally {
    releaseToken(welcome, ports);
  }
}

/** The order of these lines is the security contract: proto/README.md, "Order of checks". Each needs what the one before proved. */
async function verify(arrival: WelcomeArrival, ports: PipelinePorts): Promise<FreshRequest> {
  const wellFormed = checkEnvelope(arrival, ports.payloadBytesMax);
  const known = await findSession(wellFormed, ports.sessions);
  const intact = checkPayloadHash(known);
  const verified = checkSignature(intact);
  const fresh = await claimFreshness(verified, ports);
  // Not before: whoever repeats a request that another signed is no acquaintance of ours.
  ports.verifiedPeers.remember(fresh.peer.network, fresh.session.deviceSessionId, ports.clock.now());
  return fresh;
}
