import type { Clock } from "../../core/clock.ts";
import type { BucketDemand, BucketStore, Budget, BudgetScope, Peer, TakeRefusal } from "../../core/ports.ts";
import { RestError } from "../../core/rest-reply.ts";
import { limitField, policyField } from "./rate-limit-fields.ts";

/** The budgets of public calls: by class of route for each peer address, by kind of call for each identity. They may change at run time. */
export interface PublicBudgets {
  readonly public_auth: Budget;
  readonly public_misc: Budget;
  readonly send_code: Budget;
  readonly confirm_code: Budget;
  readonly failures: Budget;
}

/** Login is dear: it sends mail, and codes can be guessed. Everything else that is public is cheap. */
export type PublicClass = "public_auth" | "public_misc";
export type PublicIdentity = "send_code" | "confirm_code";

export interface PublicChargePorts {
  readonly budgets: PublicBudgets;
  readonly buckets: BucketStore;
  readonly clock: Clock;
  /** A budget in shadow mode was empty: somebody would have been refused. */
  readonly onShadowRefusal: (scope: BudgetScope) => void;
}

/** A demand under the name that clients and the configuration know its budget by. */
export interface PublicDemand extends BucketDemand {
  readonly policy: string;
}

export function classDemand(policy: PublicClass, peer: Peer, { budgets }: PublicChargePorts): PublicDemand {
  return { policy, scope: "public_class", key: `${policy} ${peer.network}`, budget: budgets[policy] };
}

export function identityDemand(policy: PublicIdentity, identity: string, { budgets }: PublicChargePorts): PublicDemand {
  return { policy, scope: "public_identity", key: `${policy} ${identity}`, budget: budgets[policy] };
}

/**
 * What public calls cost their address that are not what they should be. Not its failures over RPC, which are their own: who is locked out
 * of those because a session has ended is to be able to log in.
 */
export function failureDemand({ network }: Peer, { budgets }: PublicChargePorts): PublicDemand {
  return { policy: "failures", scope: "failures", key: `public ${network}`, budget: budgets.failures };
}

/** Charges all of the budgets or none, and gives the fields that tell the client of them. Throws RestError `rate_limited`. */
export async function chargePublic(
  demands: readonly PublicDemand[],
  ports: PublicChargePorts,
): Promise<Readonly<Record<string, string>>> {
  const outcome = await ports.buckets.take(demands, ports.clock.now(), ports.onShadowRefusal);
  if (outcome !== true) throw rateLimited(demands, outcome);
  return policyField(demands);
}

/** Refuses whom the budgets would refuse, as far as it is known here and now; takes nothing. Throws RestError `rate_limited`. */
export function checkPublic(demands: readonly PublicDemand[], { buckets, clock }: PublicChargePorts): void {
  const nowMs = clock.now();
  for (const demand of demands) {
    const outcome = demand.budget.shadow === true || buckets.check(demand, nowMs);
    if (outcome !== true) throw rateLimited(demands, outcome);
  }
}

function rateLimited(demands: readonly PublicDemand[], outcome: TakeRefusal): RestError {
  const seconds = Math.max(1, Math.ceil(outcome.retryAfterMs / 1000));
  const refusing = demands.filter(({ scope }) => scope === outcome.refusedBy);
  const headers = { "retry-after": String(seconds), ...policyField(demands), ...limitField(refusing, seconds) };
  const cause = outcome.cause ?? `no token left: ${refusing.map(({ policy }) => policy).join(", ")}`;
  return new RestError("rate_limited", undefined, headers, cause);
}
