import type { Peer } from "../../core/admission.ts";
import type { BucketDemand, BucketStore, Budget, BudgetScope, TakeRefusal } from "../../core/buckets.ts";
import type { Clock } from "../../core/clock.ts";
import type { IdentityBudget, PublicClass } from "../../core/public-routes.ts";
import { RestError } from "../../core/rest-reply.ts";
import type { NamedBudget } from "./public-row.ts";
import { limitField, policyField } from "./rate-limit-fields.ts";

/**
 * The budgets that rows of `public_routes` share. A reload of the configuration replaces them.
 *
 * - Per network: `public_auth`, `public_misc` and `failures`.
 * - Per mailbox: `send_code`.
 * - Per challenge: `confirm_code`.
 */
export interface PublicBudgets {
  public_auth: Budget;
  public_misc: Budget;
  send_code: Budget;
  confirm_code: Budget;
  failures: Budget;
}

export interface PublicChargePorts {
  readonly budgets: PublicBudgets;
  readonly buckets: BucketStore;
  readonly clock: Clock;
  /** Called when a call exceeds a budget in shadow mode. Such a budget refuses no call. */
  readonly onShadowRefusal: (scope: BudgetScope) => void;
}

export interface PublicDemand extends BucketDemand {
  /** The name of the budget in the configuration, and in the RateLimit header fields of the response. */
  readonly policy: string;
}

export function classDemand(policy: PublicClass, peer: Peer, { budgets }: PublicChargePorts): PublicDemand {
  return { policy, scope: "public_class", key: `${policy} ${peer.network}`, budget: budgets[policy] };
}

/** Returns a demand for one token of the row's own budget. Each network has its own bucket. */
export function ownDemand({ policy, budget }: NamedBudget, { network }: Peer): PublicDemand {
  return { policy, scope: "public_route", key: `${policy} ${network}`, budget };
}

/** Returns a demand for one token of the bucket of an identity, such as a mailbox. Rows with the same budget share its buckets. */
export function identityDemand(
  shared: IdentityBudget | NamedBudget,
  identity: string,
  { budgets }: PublicChargePorts,
): PublicDemand {
  const { policy, budget } = typeof shared === "string" ? { policy: shared, budget: budgets[shared] } : shared;
  return { policy, scope: "public_identity", key: `${policy} ${identity}`, budget };
}

/**
 * Returns a demand for one token of the network's bucket for invalid public calls.
 *
 * Failed RPCs are charged to another bucket. So a client can log in again, even if failed RPCs have emptied that bucket.
 */
export function failureDemand({ network }: Peer, { budgets }: PublicChargePorts): PublicDemand {
  return { policy: "failures", scope: "failures", key: `public ${network}`, budget: budgets.failures };
}

/**
 * Takes one token from each bucket of a public call. If one bucket is empty, takes no token and throws RestError
 * `rate_limited`. Returns the RateLimit header fields of the response.
 */
export async function chargePublic(
  demands: readonly PublicDemand[],
  ports: PublicChargePorts,
): Promise<Readonly<Record<string, string>>> {
  const outcome = await ports.buckets.take(demands, ports.clock.now(), ports.onShadowRefusal);
  if (outcome !== true) throw rateLimited(demands, outcome);
  return policyField(demands);
}

/** Throws RestError `rate_limited` if one of the buckets is known to be empty. Takes no tokens. */
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
  const empty = `no token left in the budget ${refusing.map(({ policy }) => policy).join(", ")}`;
  return new RestError("rate_limited", outcome.cause === undefined ? empty : undefined, headers, outcome.cause ?? empty);
}
