import type { PublicDemand } from "./public-budgets.ts";

/**
 * The field RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers (11), a List of RFC 9651. It describes a token bucket as a quota:
 * `q` is the burst, `w` the seconds after which an empty bucket is full again.
 */
export function policyField(demands: readonly PublicDemand[]): Readonly<Record<string, string>> {
  const items = demands
    .filter(({ budget }) => budget.shadow !== true)
    .map(({ policy, budget: { burst, ratePerSecond } }) => `"${policy}";q=${burst};w=${Math.ceil(burst / ratePerSecond)}`);
  return items.length === 0 ? {} : { "ratelimit-policy": items.join(", ") };
}

/** The field RateLimit for the policies that refused: `r` is the remaining quota, `t` the seconds until there is more. */
export function limitField(demands: readonly PublicDemand[], seconds: number): Readonly<Record<string, string>> {
  return { ratelimit: demands.map(({ policy }) => `"${policy}";r=0;t=${seconds}`).join(", ") };
}
