export interface BackoffOptions {
  /** The first delay is random, from 0 to this value, in ms. */
  readonly minMs: number;
  /** No delay is longer than this value, in ms. */
  readonly maxMs: number;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Exponential back-off with full jitter. Each delay is random, between 0 and a limit. The limit starts at `minMs` and doubles
 * after each delay, up to `maxMs`.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #ceilingMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#ceilingMs = options.minMs;
  }

  nextMs(): number {
    const delayMs = this.#options.random() * this.#ceilingMs;
    this.#ceilingMs = Math.min(this.#ceilingMs * 2, this.#options.maxMs);
    return delayMs;
  }

  reset(): void {
    this.#ceilingMs = this.#options.minMs;
  }
}
