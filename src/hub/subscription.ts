import type { Reason } from "../core/reasons.ts";
import { Refusal } from "../core/refusal.ts";
import type { SignedEvent } from "./event.ts";
import { Outbox, type OutboxLimits, WRITE_AHEAD_BYTES } from "./outbox.ts";
import type { Sink, SinkListener } from "./sink.ts";

/** The session, user and network that a stream belongs to. */
export interface Subscriber {
  readonly deviceSessionId: string;
  readonly userId: string;
  /** The network by which streams are counted: an IPv4 address or an IPv6 /64. */
  readonly peerNetwork: string;
}

export interface SubscriptionParts {
  /** The number of the stream, unique in this process. Later streams have larger numbers. */
  readonly id: number;
  readonly subscriber: Subscriber;
  readonly sink: Sink;
  /** When the stream was opened, in ms on the monotonic clock. */
  readonly openedAtMs: number;
  /** When the stream expires, in ms on the monotonic clock. */
  readonly expiresAtMs: number;
  readonly limits: OutboxLimits;
  readonly owner: SubscriptionOwner;
}

/** The callbacks of a subscription. All subscriptions share one owner. */
export interface SubscriptionOwner {
  /** Creates the refusal with which a stream ends. */
  refusal(reason: Reason): Refusal;
  /**
   * Called after a backend event that waited in the outbox was written to the stream. `receivedAtMs`: when the hub received the
   * event, in ms on the monotonic clock.
   */
  deliveredLate(receivedAtMs: number): void;
  /**
   * Called once, when the stream has ended. `reason`: `undefined` if the client disconnected. `undelivered`: number of dropped
   * backend events.
   */
  closed(subscription: Subscription, reason: Reason | undefined, undelivered: number): void;
}

/**
 * One open stream, or one poll. Its sink stores whether the stream has ended. When the stream ends for any reason, the sink
 * calls `ended` once.
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
  /** Number of the latest broadcast that this stream received or skipped. Set by `Broadcaster`. */
  broadcasts = 0;
  /** Frames that wait to be written. The outbox exists only while the client reads too slowly. */
  #outbox: Outbox | undefined;
  /** Whether a backend event is being written. If the stream ends during the write, this event counts as dropped. */
  #isWritingBackendEvent = false;

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

  /**
   * Asks the sink to call `ended` when the stream ends. If the stream has already ended, `owner.closed` is called immediately.
   * So the owner must store the subscription before this call.
   */
  watchSink(): void {
    this.#sink.onEnd(this);
  }

  ended(thrown: unknown): void {
    const undelivered = (this.#outbox?.backendEvents ?? 0) + (this.#isWritingBackendEvent ? 1 : 0);
    this.#outbox = undefined;
    this.#owner.closed(this, thrown instanceof Refusal ? thrown.reason : undefined, undelivered);
  }

  get isPoll(): boolean {
    return this.#sink.isPoll === true;
  }

  get protocol(): string {
    return this.#sink.protocol;
  }

  get codec(): string {
    return this.#sink.codec;
  }

  /**
   * Number of bytes that the client has not read yet. They are in the outbox, in the runtime's queue, or in the worker process
   * if there is one.
   */
  get unreadBytes(): number {
    return this.#sink.queuedBytes + (this.#sink.unreadBytes ?? 0) + (this.#outbox?.bytes ?? 0);
  }

  /**
   * Writes an event, or queues it in the outbox if the client reads too slowly. If the outbox is full, ends the stream with
   * SLOW_CONSUMER. Returns whether the event was written immediately.
   *
   * `receivedAtMs`: when the hub received the event, on the monotonic clock; `undefined` for an event of the hub itself.
   */
  deliver(event: Pick<SignedEvent, "frame">, receivedAtMs?: number): boolean {
    if (this.#sink.ended) return false;
    const frame = event.frame(this.#sink);
    // The client reads fast enough, so no outbox is needed.
    if (this.#outbox === undefined && this.#sink.queuedBytes < WRITE_AHEAD_BYTES) {
      return this.#write(frame, receivedAtMs);
    }
    if (this.#hasRoomFor(frame)) {
      this.#enqueue(frame, receivedAtMs);
    } else {
      this.#isWritingBackendEvent = receivedAtMs !== undefined;
      this.close("SLOW_CONSUMER");
    }
    return false;
  }

  /** Ends the wait of a poll and returns true. Does nothing for a stream and returns false. */
  release(): boolean {
    this.#sink.release?.();
    return this.isPoll;
  }

  close(reason: Reason): void {
    this.#sink.end(this.#owner.refusal(reason));
  }

  #hasRoomFor(frame: Uint8Array): boolean {
    const { bytesMax, messagesMax } = this.#limits;
    return this.unreadBytes + frame.byteLength <= bytesMax && (this.#outbox?.messages ?? 0) < messagesMax;
  }

  #enqueue(frame: Uint8Array, receivedAtMs: number | undefined): void {
    if (this.#outbox === undefined) {
      this.#outbox = new Outbox();
      this.#writeWhenDrained(this.#outbox);
    }
    this.#outbox.push(frame, receivedAtMs);
  }

  #writeWhenDrained(outbox: Outbox): void {
    this.#sink.drained().then(() => this.#flush(outbox));
  }

  /** Writes a frame. Returns false if the write ended the stream. */
  #write(frame: Uint8Array, receivedAtMs: number | undefined): boolean {
    this.#isWritingBackendEvent = receivedAtMs !== undefined;
    this.#sink.write(frame);
    this.#isWritingBackendEvent = false;
    return !this.#sink.ended;
  }

  #flush(outbox: Outbox): void {
    if (outbox !== this.#outbox) return;
    // `drained` has resolved, so the runtime's queue has room for at least one frame.
    let next = outbox.shift();
    while (next !== undefined) {
      if (!this.#write(next.frame, next.receivedAtMs)) return;
      if (next.receivedAtMs !== undefined) this.#owner.deliveredLate(next.receivedAtMs);
      next = this.#sink.queuedBytes < WRITE_AHEAD_BYTES ? outbox.shift() : undefined;
    }
    if (outbox.messages > 0) this.#writeWhenDrained(outbox);
    else this.#outbox = undefined;
  }
}
