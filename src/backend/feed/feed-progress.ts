import { Code } from "@connectrpc/connect";

/** After this many answered streams in a row without a new event, response headers alone no longer count as "up". */
const UNPROVEN_STREAMS_MAX = 2;
/** After this many content failures in a row, the feed drops its cursor. */
const STUCK_STREAMS_MAX = 5;

/**
 * Codes of a stream whose next message cannot be encoded or decoded. The same message fails again at each reconnect from the same cursor.
 * Other codes describe the backend's state, which is temporary.
 */
const CONTENT_FAILURES = new Set([Code.Unknown, Code.Internal, Code.DataLoss, Code.InvalidArgument, Code.FailedPrecondition]);

/** Tracks the progress of consecutive feed streams. A stream is proven once it delivered a new event or stayed open for some time. */
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

  /** Whether the current stream makes the feed "up". */
  get isUp(): boolean {
    return this.#isAnswered && (this.#isProven || this.#unprovenStreams < UNPROVEN_STREAMS_MAX);
  }

  /** Call when an event with a new cursor arrives. */
  markAdvanced(): void {
    this.#stuckStreams = 0;
    this.markProven();
  }

  /** Call when the stream has stayed open long enough. */
  markProven(): void {
    this.#isProven = true;
    this.#unprovenStreams = 0;
  }

  end(): void {
    if (this.#isAnswered && !this.#isProven) this.#unprovenStreams++;
  }

  /** Records that the stream failed with `code`. Returns whether the feed is stuck at its cursor. */
  isStuckAfter(code: Code): boolean {
    if (this.#isProven || !CONTENT_FAILURES.has(code)) return false;
    this.#stuckStreams++;
    if (this.#stuckStreams < STUCK_STREAMS_MAX) return false;
    this.#stuckStreams = 0;
    return true;
  }
}
