export interface BackoffOptions {
  /** Upper limit of the first delay. */
  readonly minMs: number;
  /** Upper limit of every delay. */
  readonly maxMs: number;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
}

/** Exponential back-off with full jitter: each delay is uniform below a ceiling that doubles up to `maxMs`. */
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
