import type { Budget } from "../core/buckets.ts";

/**
 * Number of ticks per millisecond. The intervals between tokens are rounded to whole ticks. A double stores Unix times in whole ticks
 * exactly until the year 2248. So rounding errors never cost the last token of a burst.
 */
export const TICKS_PER_MS = 1024;

/** The time in which a bucket gains one token. */
export function intervalMs(budget: Budget): number {
  return Math.max(1, Math.round((TICKS_PER_MS * 1000) / budget.ratePerSecond)) / TICKS_PER_MS;
}

/**
 * The time in which an empty bucket becomes full. A burst below 1 counts as 1, because a bucket with a smaller burst would never hold a
 * whole token.
 */
export function capacityMs(budget: Budget): number {
  return Math.max(1, budget.burst) * intervalMs(budget);
}
