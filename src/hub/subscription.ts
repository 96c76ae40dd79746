import { type Reason, refuse } from "../core/refusal.ts";
import type { SignedEvent } from "./event.ts";
import type { Sink } from "./sink.ts";

/** Whose stream it is. */
export interface Subscriber {
  readonly deviceSessionId: string;
  readonly userId: string;
}

/**
 * One open stream. Whatever ends it (the client goes away, a revocation, shutdown, an overfull queue) leads to the one `close`,
 * and only the first has an effect.
 */
export class Subscription {
  readonly subscriber: Subscriber;
  readonly #sink: Sink;
  readonly #queueBytesMax: number;
  readonly #onClose: (subscription: Subscription, reason: Reason | undefined) => void;
  #open = true;

  constructor(parts: {
    subscriber: Subscriber;
    sink: Sink;
    queueBytesMax: number;
    /** Called once; the reason is `undefined` where the client went away. */
    onClose: (subscription: Subscription, reason: Reason | undefined) => void;
  }) {
    this.subscriber = parts.subscriber;
    this.#sink = parts.sink;
    this.#queueBytesMax = parts.queueBytesMax;
    this.#onClose = parts.onClose;
  }

  /** Ends with its sink, which may have ended already: call this when the subscription can be closed, not before. */
  watchSink(): void {
    this.#sink.onClose(() => this.close(undefined));
  }

  get protocol(): string {
    return this.#sink.protocol;
  }

  /** Sends an event, or closes the stream where its client has let too much pile up. */
  deliver(event: SignedEvent): void {
    if (!this.#open) return;
    if (this.#sink.queuedBytes > this.#queueBytesMax) this.close("SLOW_CONSUMER");
    else this.#sink.write(event.frame(this.#sink.codec));
  }

  close(reason: Reason | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    this.#onClose(this, reason);
    if (reason !== undefined) this.#sink.end(refuse(reason));
  }
}
