/** Maximum delay of a timer, in ms: 24.8 days. A longer delay would overflow, and the timer would expire at once. */
const TIMER_MS_MAX = 2_147_483_647;

/** Limits a delay to the maximum delay of a timer. The delay may be `Infinity`. */
export function timerMs(ms: number): number {
  return Math.min(ms, TIMER_MS_MAX);
}
