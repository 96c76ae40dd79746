import { type Reason, Refusal, refuse } from "../core/refusal.ts";
import type { SignedEvent } from "./event.ts";
import { Outbox, type OutboxLimits, WRITE_AHEAD_BYTES } from "./outbox.ts";
import type { Sink, SinkListener } from "./sink.ts";

/** Whose stream it is. */
export interface Subscriber {
  readonly deviceSessionId: string;
  readonly userId: string;
  /** What streams of one address are counted by. */
  readonly peerNetwork: string;
}

export interface SubscriptionParts {
  /** Unique in this process, and larger than that of every older stream. */
  readonly id: number;
  readonly subscriber: Subscriber;
  readonly sink: Sink;
  readonly openedAtMs: number;
  /** On the monotonic clock, as is `openedAtMs`. */
  readonly expiresAtMs: number;
  readonly limits: OutboxLimits;
  readonly owner: SubscriptionOwner;
}

/** Told of what becomes of streams; one object for all of them. */
export interface SubscriptionOwner {
  /** An event of the backend, taken in then, was written when its client had read what lay before it. */
  wroteLate(takenInMs: number): void;
  /** Called once; the reason is `undefined` where the client went away. `unwritten`: events of the backend that it did not get. */
  closed(subscription: Subscription, reason: Reason | undefined, unwritten: number): void;
}

/**
 * One open stream. Its sink knows whether it has ended. Whatever ends it (the client leaves, a revocation, shutdown, age, a full
 * outbox) reaches `ended`, once.
 */
export class Subscription implements SinkListener {
  readonly id: number;
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly peerNetwork: string;
  readonly openedAtMs: number;
  readonly expiresAtMs: number;
  readonly #sink: Sink;
  readonly #limits: OutboxLimits;
  readonly #owner: SubscriptionOwner;
  /** How many of the hub's broadcasts it has had, or has no need of (Broadcaster). */
  broadcasts = 0;
  /** Only while the client lags behind. */
  #outbox: Outbox | undefined;
  /** An event of the backend is being written: it is lost if the stream ends now. */
  #isWriting = false;

  constructor(parts: SubscriptionParts) {
    this.id = parts.id;
    this.deviceSessionId = parts.subscriber.deviceSessionId;
    this.userId = parts.subscriber.userId;
    this.peerNetwork = parts.subscriber.peerNetwork;
    this.openedAtMs = parts.openedAtMs;
    this.expiresAtMs = parts.expiresAtMs;
    this.#sink = parts.sink;
    this.#limits = parts.limits;
    this.#owner = parts.owner;
  }

  /** Ends with its sink, which may have ended already: call this when the subscription can be closed, not before. */
  watchSink(): void {
    this.#sink.onEnd(this);
  }

  /** For the sink (SinkListener). */
  ended(thrown: unknown): void {
    const unwritten = (this.#outbox?.backendEvents ?? 0) + (this.#isWriting ? 1 : 0);
    this.#outbox = undefined;
    this.#owner.closed(this, thrown instanceof Refusal ? thrown.reason : undefined, unwritten);
  }

  get protocol(): string {
    return this.#sink.protocol;
  }

  get codec(): string {
    return this.#sink.codec;
  }

  /** Bytes that the client has not taken, here and in the runtime. */
  get unreadBytes(): number {
    return this.#sink.queuedBytes + (this.#outbox?.bytes ?? 0);
  }

  /**
   * Sends an event, now or when the client has read what lies before it; or closes the stream where too much has piled up. Says whether
   * it was written at once. `takenInMs`: when the hub took it in, on the monotonic clock; `undefined` for the gateway's own.
   */
  deliver(event: SignedEvent, takenInMs?: number): boolean {
    if (this.#sink.ended) return false;
    const frame = event.frame(this.#sink.codec);
    // Nearly always, and nearly all that a delivery costs.
    if (this.#outbox === undefined && this.#sink.queuedBytes < WRITE_AHEAD_BYTES) {
      return this.#write(frame, takenInMs);
    }
    if (this.#hasRoomFor(frame)) {
      this.#wait(frame, takenInMs);
    } else {
      this.#isWriting = takenInMs !== undefined;
      this.close("SLOW_CONSUMER");
    }
    return false;
  }

  close(reason: Reason): void {
    this.#sink.end(refuse(reason));
  }

  #hasRoomFor(frame: Uint8Array): boolean {
    const { bytesMax, messagesMax } = this.#limits;
    return this.unreadBytes + frame.byteLength <= bytesMax && (this.#outbox?.messages ?? 0) < messagesMax;
  }

  #wait(frame: Uint8Array, takenInMs: number | undefined): void {
    if (this.#outbox === undefined) {
      this.#outbox = new Outbox();
      this.#writeWhenDrained(this.#outbox);
    }
    this.#outbox.push(frame, takenInMs);
  }

  #writeWhenDrained(outbox: Outbox): void {
    this.#sink.drained().then(() => this.#writeFrom(outbox));
  }

  /** Whether the client was there to take it, as far as the write could tell. */
  #write(frame: Uint8Array, takenInMs: number | undefined): boolean {
    this.#isWriting = takenInMs !== undefined;
    this.#sink.write(frame);
    this.#isWriting = false;
    return !this.#sink.ended;
  }

  #writeFrom(outbox: Outbox): void {
    if (outbox !== this.#outbox) return;
    // One at least: the sink says that it can take more.
    let next = outbox.shift();
    while (next !== undefined) {
      if (!this.#write(next.frame, next.takenInMs)) return;
      if (next.takenInMs !== undefined) this.#owner.wroteLate(next.takenInMs);
      next = this.#sink.queuedBytes < WRITE_AHEAD_BYTES ? outbox.shift() : undefined;
    }
    if (outbox.messages > 0) this.#writeWhenDrained(outbox);
    else this.#outbox = undefined;
  }
}
