import type { SignedEvent } from "./event.ts";
import type { Subscription } from "./subscription.ts";

/**
 * Maximum number of streams to which a broadcast is written in one turn of the event loop. This many writes block all other
 * work for a few milliseconds.
 */
const STREAMS_PER_TURN = 500;

export interface BroadcasterParts {
  /** All open streams, oldest first. Streams may be added and removed during an iteration. */
  readonly streams: Iterable<Subscription>;
  /** Runs `work` in a later turn of the event loop. */
  readonly defer: (work: () => void) => void;
}

/**
 * Delivers an event to all streams, `STREAMS_PER_TURN` of them in each turn of the event loop.
 *
 * Each stream receives its events in the order of publication:
 * - Before the hub delivers another event to a stream, it calls `catchUp`, which delivers the current broadcast to this stream.
 * - `send` finishes the current broadcast before it starts the next one.
 */
export class Broadcaster {
  readonly #parts: BroadcasterParts;
  /** Number of the latest broadcast. A stream whose `broadcasts` is lower has not received this broadcast yet. */
  #count = 0;
  #event: SignedEvent | undefined;
  /** Whether the current broadcast is for polls too. */
  #includesPolls = true;
  #remaining: Iterator<Subscription> | undefined;

  constructor(parts: BroadcasterParts) {
    this.#parts = parts;
  }

  /** Excludes a new stream from the current broadcast, which started before the stream was opened. */
  skip(stream: Subscription): void {
    stream.broadcasts = this.#count;
  }

  /** Delivers the current broadcast to the stream, unless the stream has already received it. */
  catchUp(stream: Subscription): void {
    if (this.#event === undefined || stream.broadcasts === this.#count) return;
    stream.broadcasts = this.#count;
    if (this.#includesPolls || !stream.isPoll) stream.deliver(this.#event);
  }

  /** Starts to deliver an event to all streams. If `polls` is false, polls do not get it. */
  send(event: SignedEvent, { polls }: { readonly polls: boolean }): void {
    this.#deliver(Number.POSITIVE_INFINITY);
    this.#count++;
    this.#event = event;
    this.#includesPolls = polls;
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
