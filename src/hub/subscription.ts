import { type Reason, refuse } from "../core/refusal.ts";
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
  /** Called once; the reason is `undefined` where the client went away. */
  readonly onClose: (subscription: Subscription, reason: Reason | undefined) => void;
}

/**
 * One open stream. Whatever ends it (the client goes away, a revocation, shutdown, age, an overfull outbox) leads to the one `close`,
 * and only the first has an effect.
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
  readonly #onClose: SubscriptionParts["onClose"];
  /** Only while the client lags behind. */
  #outbox: Outbox | undefined;
  #open = true;

  constructor(parts: SubscriptionParts) {
    this.id = parts.id;
    this.deviceSessionId = parts.subscriber.deviceSessionId;
    this.userId = parts.subscriber.userId;
    this.peerNetwork = parts.subscriber.peerNetwork;
    this.openedAtMs = parts.openedAtMs;
    this.expiresAtMs = parts.expiresAtMs;
    this.#sink = parts.sink;
    this.#limits = parts.limits;
    this.#onClose = parts.onClose;
  }

  /** Ends with its sink, which may have ended already: call this when the subscription can be closed, not before. */
  watchSink(): void {
    this.#sink.onClose(this);
  }

  /** For the sink (SinkListener): the client is gone. */
  closed(): void {
    this.close(undefined);
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

  /** Sends an event, now or when the client has read what lies before it; or closes the stream where too much has piled up. */
  deliver(event: SignedEvent): void {
    if (!this.#open) return;
    // Nearly always, and nearly all that a delivery costs.
    if (this.#outbox === undefined && this.#sink.queuedBytes < WRITE_AHEAD_BYTES)
      this.#sink.write(event.frame(this.#sink.codec));
    else if (this.#isOverfull()) this.close("SLOW_CONSUMER");
    else if (this.#outbox === undefined) this.#wait(event.frame(this.#sink.codec));
    else this.#outbox.push(event.frame(this.#sink.codec));
  }

  close(reason: Reason | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    this.#outbox = undefined;
    this.#onClose(this, reason);
    if (reason !== undefined) this.#sink.end(refuse(reason));
  }

  #isOverfull(): boolean {
    return this.unreadBytes > this.#limits.bytesMax || (this.#outbox?.messages ?? 0) >= this.#limits.messagesMax;
  }

  #wait(frame: Uint8Array): void {
    const outbox = new Outbox();
    outbox.push(frame);
    this.#outbox = outbox;
    this.#writeWhenDrained(outbox);
  }

  #writeWhenDrained(outbox: Outbox): void {
    this.#sink.drained().then(() => this.#write(outbox));
  }

  #write(outbox: Outbox): void {
    if (outbox !== this.#outbox) return;
    // One at least: the sink says that it can take more.
    let frame = outbox.shift();
    while (frame !== undefined) {
      this.#sink.write(frame);
      frame = this.#sink.queuedBytes < WRITE_AHEAD_BYTES ? outbox.shift() : undefined;
    }
    if (outbox.messages > 0) this.#writeWhenDrained(outbox);
    else this.#outbox = undefined;
  }
}
