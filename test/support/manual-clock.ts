import type { Clock } from "../../src/core/clock.ts";

/** A clock that stands still until the test moves it. */
export class ManualClock implements Clock {
  #nowMs: number;
  #monotonicMs = 5_000;

  constructor(nowMs = 1_760_000_000_000) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  /** Advances both clocks. */
  advance(ms: number): void {
    this.#nowMs += ms;
    this.#monotonicMs += ms;
  }

  /** Sets the wall clock forward or back. The monotonic clock stays. */
  step(ms: number): void {
    this.#nowMs += ms;
  }
}
