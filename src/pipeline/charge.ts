import type { Clock } from "../core/clock.ts";
import type { BucketDemand, BucketStore, BudgetScope, TakeOutcome } from "../core/ports.ts";

export interface ChargePorts {
  readonly buckets: BucketStore;
  readonly clock: Clock;
  /** A budget in shadow mode was empty: somebody would have been refused. */
  readonly onShadowRefusal: (scope: BudgetScope) => void;
}

/**
 * One token from each bucket, or from none of them. Budgets in shadow mode are charged where the others gave theirs, each for itself:
 * that one of them is empty is reported, and refuses nobody.
 */
export async function charge(demands: readonly BucketDemand[], ports: ChargePorts): Promise<TakeOutcome> {
  const nowMs = ports.clock.now();
  if (!demands.some(isShadow)) return ports.buckets.take(demands, nowMs);
  const outcome = await ports.buckets.take(
    demands.filter((demand) => !isShadow(demand)),
    nowMs,
  );
  if (outcome !== true) return outcome;
  const shadows = await Promise.all(demands.filter(isShadow).map((demand) => ports.buckets.take([demand], nowMs)));
  for (const shadow of shadows) if (shadow !== true) ports.onShadowRefusal(shadow.refusedBy);
  return true;
}

function isShadow({ budget }: BucketDemand): boolean {
  return budget.shadow === true;
}
