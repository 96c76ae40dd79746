import type { HeartbeatLimits } from "./heartbeat-watch.ts";
import type { StreamTransport } from "./subscription-event.ts";
import type { VerifiedEvent } from "./verify.ts";

export interface OpenOptions {
  readonly resumeAfter?: string | undefined;
  readonly signal: AbortSignal;
}

/** Opens streams over one transport. `open` yields verified events, and throws the error with which the stream ends. */
export interface StreamOpener {
  readonly transport: StreamTransport;
  readonly limits: HeartbeatLimits;
  open(options: OpenOptions): AsyncIterable<VerifiedEvent>;
}

/**
 * How an attempt to open a stream failed:
 * - `silent`: the request was sent and no event came. A proxy probably buffers the stream.
 * - `failed`: there was an error before the first event.
 */
export type OpenFailure = "silent" | "failed";

/** Number of failures in sequence after which the next transport is tried. One `silent` failure is already enough. */
const FAILURES_MAX = 3;
/**
 * Time after which the first transport is tried again, in ms. If the first transport then fails again, the time doubles, up to
 * `RETRY_BETTER_MS_MAX`.
 */
const RETRY_BETTER_MS = 10 * 60_000;
const RETRY_BETTER_MS_MAX = 60 * 60_000;

/**
 * Chooses the transport of the next stream. The openers are in order of preference.
 *
 * A transport that works is kept. If it is not the first, the first transport is tried again after some time.
 */
export class TransportChoice {
  readonly #openers: readonly StreamOpener[];
  #at = 0;
  #failures = 0;
  #retryBetterMs = RETRY_BETTER_MS;
  #retryBetterAtMs = Number.POSITIVE_INFINITY;

  constructor(openers: readonly StreamOpener[]) {
    this.#openers = openers;
  }

  /** Returns the opener of the next stream. `nowMs`: the monotonic time. */
  next(nowMs: number): StreamOpener {
    if (nowMs >= this.#retryBetterAtMs) this.#use(0);
    const opener = this.#openers[this.#at];
    if (opener === undefined) throw new Error("a subscription needs an opener");
    return opener;
  }

  /** Returns true if it is time to try the first transport again. */
  isBetterDue(nowMs: number): boolean {
    return nowMs >= this.#retryBetterAtMs;
  }

  /** Call it after a stream that delivered events without delay. */
  worked(): void {
    this.#failures = 0;
    if (this.#at !== 0) return;
    this.#retryBetterMs = RETRY_BETTER_MS;
  }

  failed(failure: OpenFailure, nowMs: number): void {
    this.#failures++;
    if (failure === "failed" && this.#failures < FAILURES_MAX) return;
    const leavesBest = this.#at === 0;
    this.#use((this.#at + 1) % this.#openers.length);
    if (!leavesBest || this.#at === 0) return;
    this.#retryBetterAtMs = nowMs + this.#retryBetterMs;
    this.#retryBetterMs = Math.min(this.#retryBetterMs * 2, RETRY_BETTER_MS_MAX);
  }

  #use(at: number): void {
    this.#at = at;
    this.#failures = 0;
    if (at === 0) this.#retryBetterAtMs = Number.POSITIVE_INFINITY;
  }
}
