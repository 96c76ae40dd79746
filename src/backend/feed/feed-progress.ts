import { Code } from "@connectrpc/connect";

/** So many streams in a row may stand and bring nothing; after that, headers alone do not make the feed up. */
const UNPROVEN_STREAMS_MAX = 2;
/** So many streams in a row may fail over what they bring; then the feed goes on without a cursor. */
const STUCK_STREAMS_MAX = 5;

/**
 * What a backend fails with that cannot send, or that sent what cannot be read. At each reconnect the same comes again from the same
 * cursor. Other codes tell of its state, which passes.
 */
const FAILED_OVER_CONTENT = new Set([
  Code.Unknown,
  Code.Internal,
  Code.DataLoss,
  Code.InvalidArgument,
  Code.FailedPrecondition,
]);

/** How far the streams of a feed come, one after the other. A stream is proven when it brought something new, or stood for a while. */
export class FeedProgress {
  #unprovenStreams = 0;
  #stuckStreams = 0;
  #hasStood = false;
  #isProven = false;

  begin(): void {
    this.#hasStood = false;
    this.#isProven = false;
  }

  /** The backend has answered. */
  stood(): void {
    this.#hasStood = true;
  }

  /** Whether the feed is up by this stream. */
  get isEnough(): boolean {
    return this.#hasStood && (this.#isProven || this.#unprovenStreams < UNPROVEN_STREAMS_MAX);
  }

  /** Something new came from the cursor. */
  progressed(): void {
    this.#stuckStreams = 0;
    this.proven();
  }

  /** It stood for a while. */
  proven(): void {
    this.#isProven = true;
    this.#unprovenStreams = 0;
  }

  end(): void {
    if (this.#hasStood && !this.#isProven) this.#unprovenStreams++;
  }

  /** The stream failed. Gives whether the cursor is to blame. */
  isStuck(code: Code): boolean {
    if (this.#isProven || !FAILED_OVER_CONTENT.has(code)) return false;
    this.#stuckStreams++;
    if (this.#stuckStreams < STUCK_STREAMS_MAX) return false;
    this.#stuckStreams = 0;
    return true;
  }
}
