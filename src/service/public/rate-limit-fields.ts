import type { PublicDemand } from "./public-budgets.ts";

/**
 * The fields of draft-ietf-httpapi-ratelimit-headers (11), each a List of Items of RFC 9651. A token bucket as a quota policy: `q`, its
 * burst, can be spent again after `w`, the seconds in which it fills up.
 */
export function policyField(demands: readonly PublicDemand[]): Readonly<Record<string, string>> {
  const items = demands
    .filter(({ budget }) => budget.shadow !== true)
    .map(({ policy, budget: { burst, ratePerSecond } }) => `"${policy}";q=${burst};w=${Math.ceil(burst / ratePerSecond)}`);
  return items.length === 0 ? {} : { "ratelimit-policy": items.join(", ") };
}

/** Of the policies that refused: nothing remains (`r`), and for how many seconds (`t`). */
export function limitField(demands: readonly PublicDemand[], seconds: number): Readonly<Record<string, string>> {
  return { ratelimit: demands.map(({ policy }) => `"${policy}";r=0;t=${seconds}`).join(", ") };
}
