import type { Budget } from "../core/buckets.ts";

/**
 * Number of ticks per millisecond. Intervals between tokens are rounded to whole ticks. Until the year 2248, a double can
 * represent every Unix time in ticks exactly. So rounding errors never cost the last token of a burst.
 */
export const TICKS_PER_MS = 1024;

/** Returns the time in which a bucket gains one token, in ms. */
export function intervalMs(budget: Budget): number {
  return Math.max(1, Math.round((TICKS_PER_MS * 1000) / budget.ratePerSecond)) / TICKS_PER_MS;
}

/**
 * Returns the time in which an empty bucket gains all its tokens, in ms. A burst below 1 counts as 1. Otherwise the bucket
 * would never hold a whole token.
 */
export function capacityMs(budget: Budget): number {
  return Math.max(1, budget.burst) * intervalMs(budget);
}
