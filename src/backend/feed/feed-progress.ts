import { Code } from "@connectrpc/connect";

/**
 * The push feed counts as up as soon as the response headers of a stream arrive. There is one exception. After this many
 * consecutive streams that ended without being proven (see `FeedProgress`), the feed counts as up only when the next stream is
 * proven.
 */
const UNPROVEN_STREAMS_MAX = 2;
/**
 * Number of streams that fail with a code of `CONTENT_FAILURES`, without a new event in between, after which the feed discards
 * its cursor.
 */
const STUCK_STREAMS_MAX = 5;

/**
 * Error codes which mean that the backend could not encode the next message, or that the gateway could not decode it. The same
 * message fails again after each reconnect from the same cursor. Any other code reports a temporary state of the backend.
 */
const CONTENT_FAILURES = new Set([Code.Unknown, Code.Internal, Code.DataLoss, Code.InvalidArgument, Code.FailedPrecondition]);

/**
 * Tracks whether the consecutive streams of the push feed make progress. A stream is *proven* when it has delivered a new event
 * or has stayed open for `PushFeedOptions.backoffMaxMs`.
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

  /**
   * True if the push feed counts as up. The response headers of the stream have arrived, and the stream is proven if
   * `UNPROVEN_STREAMS_MAX` requires it.
   */
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
   * Records that the stream failed with `code`. Returns `true` if the feed must discard its cursor, because `STUCK_STREAMS_MAX`
   * streams have failed at the same event.
   */
  isStuckAfter(code: Code): boolean {
    if (this.#isProven || !CONTENT_FAILURES.has(code)) return false;
    this.#stuckStreams++;
    if (this.#stuckStreams < STUCK_STREAMS_MAX) return false;
    this.#stuckStreams = 0;
    return true;
  }
}
