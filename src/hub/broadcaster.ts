import type { SignedEvent } from "./event.ts";
import type { Subscription } from "./subscription.ts";

/** So many at a time: some milliseconds, in which no call is answered. */
const STREAMS_AT_ONCE = 500;

export interface BroadcasterParts {
  /** All streams, oldest first. Streams may come and go while it is read. */
  readonly streams: Iterable<Subscription>;
  /** Does some work later, when others have had their turn. */
  readonly defer: (work: () => void) => void;
}

/**
 * Delivers an event to every stream, some at a time, in the order of everything else: whoever has an event for a stream that has not had
 * the broadcast yet lets it `catchUp` first. One broadcast is over before the next begins.
 */
export class Broadcaster {
  readonly #parts: BroadcasterParts;
  /** Broadcasts so far. A stream that has had fewer has the current one still to come. */
  #count = 0;
  #event: SignedEvent | undefined;
  #rest: Iterator<Subscription> | undefined;

  constructor(parts: BroadcasterParts) {
    this.#parts = parts;
  }

  /** The stream is new: what was sent until now is not for it. */
  skip(stream: Subscription): void {
    stream.broadcasts = this.#count;
  }

  catchUp(stream: Subscription): void {
    if (this.#event === undefined || stream.broadcasts === this.#count) return;
    stream.broadcasts = this.#count;
    stream.deliver(this.#event);
  }

  send(event: SignedEvent): void {
    this.#deliver(Number.POSITIVE_INFINITY);
    this.#count++;
    this.#event = event;
    this.#rest = this.#parts.streams[Symbol.iterator]();
    this.#deliver(STREAMS_AT_ONCE);
  }

  #deliver(streamsMax: number): void {
    const rest = this.#rest;
    for (let left = streamsMax; left > 0; left--) {
      const next = rest?.next();
      if (next === undefined || next.done === true) {
        this.#event = undefined;
        this.#rest = undefined;
        return;
      }
      this.catchUp(next.value);
    }
    this.#parts.defer(() => {
      if (rest === this.#rest) this.#deliver(STREAMS_AT_ONCE);
    });
  }
}
