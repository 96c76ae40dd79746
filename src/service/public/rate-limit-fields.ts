import type { NamedBudget } from "./public-row.ts";

/**
 * Returns the header field RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11). The field describes each token bucket as
 * a quota: `q` is the burst, and `w` is the number of seconds in which an empty bucket becomes full.
 */
export function policyField(budgets: readonly NamedBudget[]): Readonly<Record<string, string>> {
  const items = budgets
    .filter(({ budget }) => budget.shadow !== true)
    .map(({ policy, budget: { burst, ratePerSecond } }) => `"${policy}";q=${burst};w=${Math.ceil(burst / ratePerSecond)}`);
  return items.length === 0 ? {} : { "ratelimit-policy": items.join(", ") };
}

/**
 * Returns the header field RateLimit for the policies that refused a call: `r` is the remaining quota, and `t` is the number of
 * seconds until more quota is available.
 */
export function limitField(budgets: readonly NamedBudget[], seconds: number): Readonly<Record<string, string>> {
  return { ratelimit: budgets.map(({ policy }) => `"${policy}";r=0;t=${seconds}`).join(", ") };
}
