import type { Clock } from "../../core/clock.ts";

/** A token bucket for the private listener. Its burst is the higher of `perSecond` and `burstMin`. */
export class PublishRate {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #clock: Pick<Clock, "monotonic">;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burstMin: number, clock: Pick<Clock, "monotonic">) {
    this.#perMs = perSecond / 1000;
    this.#burst = Math.max(perSecond, burstMin);
    this.#clock = clock;
    this.#tokens = this.#burst;
    this.#atMs = clock.monotonic();
  }

  /** Takes `count` tokens and returns 0. If there are too few tokens, takes none and returns the ms until there are enough. */
  take(count: number): number {
    const nowMs = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#tokens < count) return (count - this.#tokens) / this.#perMs;
    this.#tokens -= count;
    return 0;
  }
}
