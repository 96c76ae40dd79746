/** The time. It is injected wherever time matters, so that tests can set it. */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number;
  /** Milliseconds since a fixed moment, for durations. Never steps back. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
