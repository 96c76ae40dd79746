import { timerMs } from "./timer-ms.ts";

/** The clocks, the timers and the randomness of subscriptions. Tests control all of them. */
export interface StreamTiming {
  /** Wall-clock time of the device, in Unix ms. It continues while the device sleeps. */
  now(): number;
  /** A monotonic clock, in ms. */
  monotonic(): number;
  /** Returns a random number, uniform in [0, 1). */
  random(): number;
  /** Calls `run` once, after `ms`. Returns a function that cancels the call. */
  after(ms: number, run: () => void): () => void;
}

export const systemTiming: StreamTiming = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: () => Math.random(),
  after(ms, run) {
    const timer = setTimeout(run, timerMs(ms));
    return () => clearTimeout(timer);
  },
};
