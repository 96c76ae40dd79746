import type { PublicDemand } from "./public-budgets.ts";

/**
 * Returns the header field RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11). The field describes each token bucket as
 * a quota: `q` is the burst, and `w` is the number of seconds in which an empty bucket becomes full.
 */
export function policyField(demands: readonly PublicDemand[]): Readonly<Record<string, string>> {
  const items = demands
    .filter(({ budget }) => budget.shadow !== true)
    .map(({ policy, budget: { burst, ratePerSecond } }) => `"${policy}";q=${burst};w=${Math.ceil(burst / ratePerSecond)}`);
  return items.length === 0 ? {} : { "ratelimit-policy": items.join(", ") };
}

/**
 * Returns the header field RateLimit for the policies that refused a call: `r` is the remaining quota, and `t` is the number of
 * seconds until more quota is available.
 */
export function limitField(demands: readonly PublicDemand[], seconds: number): Readonly<Record<string, string>> {
  return { ratelimit: demands.map(({ policy }) => `"${policy}";r=0;t=${seconds}`).join(", ") };
}
