import { Code } from "@connectrpc/connect";

/**
 * Maximum number of consecutive unproven streams (see `FeedProgress`) before the condition for "up" becomes stricter:
 *
 * - Below the maximum, the push feed is up when the response headers of a stream arrive.
 * - From the maximum on, the push feed is up only when a stream is proven.
 */
const UNPROVEN_STREAMS_MAX = 2;
/**
 * The push feed discards its cursor when this many unproven streams (see `FeedProgress`) have failed with a code of
 * `CONTENT_FAILURES`. A new event resets the count.
 */
const STUCK_STREAMS_MAX = 5;

/**
 * Error codes of a message that the backend cannot encode or the gateway cannot decode. The same message fails again after each
 * reconnect from the same cursor. The other codes do not depend on the content of a message.
 */
const CONTENT_FAILURES = new Set([Code.Unknown, Code.Internal, Code.DataLoss, Code.InvalidArgument, Code.FailedPrecondition]);

/**
 * Tracks whether the streams of the push feed make progress. A stream is *proven* when it has delivered a new event or has
 * stayed open for `PushFeedOptions.backoffMaxMs`.
 */
export class FeedProgress {
  #unprovenStreams = 0;
  #stuckStreams = 0;
  #isAnswered = false;
  #isProven = false;

  begin(): void {
    this.#isAnswered = false;
    this.#isProven = false;
  }

  /** Call when the response headers arrive. */
  markAnswered(): void {
    this.#isAnswered = true;
  }

  /** True if the push feed is up. The condition is stricter after several unproven streams: see `UNPROVEN_STREAMS_MAX`. */
  get isUp(): boolean {
    return this.#isAnswered && (this.#isProven || this.#unprovenStreams < UNPROVEN_STREAMS_MAX);
  }

  /** Call when the stream delivers a new event. */
  markAdvanced(): void {
    this.#stuckStreams = 0;
    this.markProven();
  }

  /** Call when the stream has stayed open for `PushFeedOptions.backoffMaxMs`. */
  markProven(): void {
    this.#isProven = true;
    this.#unprovenStreams = 0;
  }

  end(): void {
    if (this.#isAnswered && !this.#isProven) this.#unprovenStreams++;
  }

  /**
   * Records that the backend's stream failed with `code`. Returns `true` if this is the failure number `STUCK_STREAMS_MAX` without
   * a new event. The feed must then discard its cursor.
   */
  isStuckAfter(code: Code): boolean {
    if (this.#isProven || !CONTENT_FAILURES.has(code)) return false;
    this.#stuckStreams++;
    if (this.#stuckStreams < STUCK_STREAMS_MAX) return false;
    this.#stuckStreams = 0;
    return true;
  }
}
