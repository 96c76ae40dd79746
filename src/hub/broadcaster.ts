import type { SignedEvent } from "./event.ts";
import type { Subscription } from "./subscription.ts";

/** One turn takes a few milliseconds. The event loop serves no other work during a turn. */
const STREAMS_PER_TURN = 500;

export interface BroadcasterParts {
  /** All streams, oldest first. Streams may be added and removed during the iteration. */
  readonly streams: Iterable<Subscription>;
  /** Runs the work in a later turn of the event loop. */
  readonly defer: (work: () => void) => void;
}

/**
 * Delivers an event to every stream, `STREAMS_PER_TURN` per turn of the event loop.
 *
 * Every stream receives its events in the order of publication: before any other event is delivered to a stream, `catchUp` delivers the
 * pending broadcast to it. A broadcast finishes before the next one starts.
 */
export class Broadcaster {
  readonly #parts: BroadcasterParts;
  /** The number of broadcasts so far. A stream with a lower number has not received the current broadcast yet. */
  #count = 0;
  #event: SignedEvent | undefined;
  #remaining: Iterator<Subscription> | undefined;

  constructor(parts: BroadcasterParts) {
    this.#parts = parts;
  }

  /** Excludes a new stream from all broadcasts so far. */
  skip(stream: Subscription): void {
    stream.broadcasts = this.#count;
  }

  /** Delivers the current broadcast to the stream, unless the stream has received it. */
  catchUp(stream: Subscription): void {
    if (this.#event === undefined || stream.broadcasts === this.#count) return;
    stream.broadcasts = this.#count;
    stream.deliver(this.#event);
  }

  send(event: SignedEvent): void {
    this.#deliver(Number.POSITIVE_INFINITY);
    this.#count++;
    this.#event = event;
    this.#remaining = this.#parts.streams[Symbol.iterator]();
    this.#deliver(STREAMS_PER_TURN);
  }

  #deliver(streamsMax: number): void {
    const remaining = this.#remaining;
    for (let left = streamsMax; left > 0; left--) {
      const next = remaining?.next();
      if (next === undefined || next.done === true) {
        this.#event = undefined;
        this.#remaining = undefined;
        return;
      }
      this.catchUp(next.value);
    }
    this.#parts.defer(() => {
      if (remaining === this.#remaining) this.#deliver(STREAMS_PER_TURN);
    });
  }
}
