import type { BucketDemand } from "../core/buckets.ts";
import { refuse } from "../core/refusal.ts";
import type { PipelinePorts } from "./ports.ts";
import { type AdmittedRequest, type FreshRequest, proven } from "./proof.ts";

/**
 * Check 7. Takes one token from each bucket of the request. If one bucket is empty, takes no token and throws RATE_LIMITED.
 * A bucket whose budget is in shadow mode never refuses a request. Its token is taken too.
 */
export async function takeBudgets(
  request: FreshRequest,
  ports: Pick<PipelinePorts, "buckets" | "budgets" | "backend" | "clock" | "onShadowRefusal">,
): Promise<AdmittedRequest> {
  const { rpc, peer, envelope, payloadBytes, signature, session, mark } = request;
  const { userId, deviceSessionId } = session;
  const route = rpc === "ExecuteCommand" ? ports.backend.route(envelope.messageType) : undefined;
  const demands: BucketDemand[] = [
    { scope: "ip", key: peer.network, budget: ports.budgets.ip },
    { scope: "session", key: deviceSessionId, budget: ports.budgets.session },
    { scope: "user", key: userId, budget: ports.budgets.user },
  ];
  if (route?.budget !== undefined) {
    demands.push({ scope: "message_type", key: `${envelope.messageType} ${userId}`, budget: route.budget });
  }
  const outcome = await ports.buckets.take(demands, ports.clock.now(), ports.onShadowRefusal);
  if (outcome !== true) {
    const { refusedBy: scope, retryAfterMs, cause } = outcome;
    throw refuse("RATE_LIMITED", { metadata: { scope }, retryAfterMs, cause });
  }
  return proven<AdmittedRequest>({ rpc, peer, envelope, payloadBytes, signature, session, mark, route });
}
