import type { Budget } from "../core/buckets.ts";

/**
 * Intervals are rounded to ticks of 1/1024 ms. A double holds Unix times on this grid exactly until the year 2248, so rounding errors never
 * cost the last token of a burst.
 */
export const TICKS_PER_MS = 1024;

/** Time from one token to the next. */
export function intervalMs(budget: Budget): number {
  return Math.max(1, Math.round((TICKS_PER_MS * 1000) / budget.ratePerSecond)) / TICKS_PER_MS;
}

/** Time from empty to full. A burst below 1 counts as 1, because such a bucket would never hold a token. */
export function capacityMs(budget: Budget): number {
  return Math.max(1, budget.burst) * intervalMs(budget);
}
