import type { Budget } from "../core/ports.ts";

/**
 * Intervals are whole ticks of 1/1024 ms. Doubles hold Unix times on that grid without rounding until the year 2248, so that the last
 * token of a burst is never lost to an error in the last place.
 */
export const TICKS_PER_MS = 1024;

/** From one token to the next. */
export function intervalMs(budget: Budget): number {
  return Math.max(1, Math.round((TICKS_PER_MS * 1000) / budget.ratePerSecond)) / TICKS_PER_MS;
}

/** From empty to full. A bucket that could not hold one token would never give one. */
export function capacityMs(budget: Budget): number {
  return Math.max(1, budget.burst) * intervalMs(budget);
}
