import { Backoff } from "../core/backoff.ts";
import type { StreamTiming } from "./stream-timing.ts";

/** Default upper limit of the first delay, in ms. */
const FIRST_MS_MAX = 1000;
/** Upper limit of the back-off, in ms. A delay that the gateway asks for is added to the back-off. */
const DELAY_MS_MAX = 30_000;
/** Minimum delay, in ms. It bounds the rate of requests if a proxy ends every stream immediately. */
const DELAY_MS_MIN = 50;
/**
 * Maximum delay that the gateway can ask for, in ms. A longer delay is shortened, because a proxy can forge it: errors are not
 * signed.
 */
const RETRY_AFTER_MS_MAX = 60_000;

/**
 * The delays between the streams of a subscription: the back-off, up to 30 s.
 *
 * A delay that the gateway asks for (`RetryInfo`) is a minimum. The back-off is added to it, so that the clients of one gateway
 * do not return at the same time.
 */
export class ReconnectDelay {
  readonly #backoff: Backoff;

  constructor(timing: Pick<StreamTiming, "random">, firstMsMax = FIRST_MS_MAX) {
    this.#backoff = new Backoff({ minMs: firstMsMax, maxMs: DELAY_MS_MAX, random: () => timing.random() });
  }

  /** Returns the next delay, in ms. `retryAfterMs`: the delay that the gateway asked for, if any. */
  nextMs(retryAfterMs = 0): number {
    const askedMs = Number.isFinite(retryAfterMs) ? Math.min(Math.max(retryAfterMs, 0), RETRY_AFTER_MS_MAX) : 0;
    return Math.max(askedMs + this.#backoff.nextMs(), DELAY_MS_MIN);
  }

  /**
   * Resets the back-off. Call it only after a stream that worked, because a stream that ends immediately must not shorten the
   * delays.
   */
  reset(): void {
    this.#backoff.reset();
  }
}
