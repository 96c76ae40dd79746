export interface BackoffOptions {
  /** The first delay is below this. */
  readonly minMs: number;
  /** No delay is above this. */
  readonly maxMs: number;
  /** Uniform in [0, 1). */
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
