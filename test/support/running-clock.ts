import { type Clock, systemClock } from "../../src/core/clock.ts";

/** The system's clock, which a test can set. It runs, unlike `ManualClock`. */
export class RunningClock implements Clock {
  #aheadMs: number;
  #monotonicAheadMs = 0;

  /** `aheadMs`: how far the wall clock is ahead of the system's clock. */
  constructor(aheadMs = 0) {
    this.#aheadMs = aheadMs;
  }

  now(): number {
    return systemClock.now() + this.#aheadMs;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#monotonicAheadMs;
  }

  /** Advances both clocks. */
  advance(ms: number): void {
    this.#aheadMs += ms;
    this.#monotonicAheadMs += ms;
  }

  /** Sets the wall clock forward or back. The monotonic clock is not affected. */
  step(ms: number): void {
    this.#aheadMs += ms;
  }
}
