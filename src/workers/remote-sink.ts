import type { Reason } from "../core/reasons.ts";
import { type Refusal, refuse } from "../core/refusal.ts";
import type { EventCodec, Sink, SinkListener } from "../hub/sink.ts";

/** Sends the frames and the end of a stream to the worker that serves the stream. */
export interface StreamChannel {
  frame(id: number, frame: Uint8Array): void;
  end(id: number, refusal: Refusal): void;
}

/**
 * The supervisor's sink for a stream that a worker serves. It sends each frame to the worker immediately, because the outbox of the
 * stream is in the worker. If the outbox is full, the worker ends the stream.
 */
export class RemoteSink implements Sink {
  readonly codec: EventCodec;
  readonly isBase64: boolean;
  readonly protocol: string;
  /** Number of bytes that the client has not read yet, as the worker last reported it. */
  unreadBytes = 0;
  readonly #id: number;
  readonly #channel: StreamChannel;
  #isEnded = false;
  #thrown: Refusal | undefined;
  #listener: SinkListener | undefined;

  constructor(
    id: number,
    form: { readonly codec: EventCodec; readonly isBase64: boolean; readonly protocol: string },
    channel: StreamChannel,
  ) {
    this.#id = id;
    this.codec = form.codec;
    this.isBase64 = form.isBase64;
    this.protocol = form.protocol;
    this.#channel = channel;
  }

  /** Always 0, so that the hub never queues frames. */
  get queuedBytes(): number {
    return 0;
  }

  get ended(): boolean {
    return this.#isEnded;
  }

  write(frame: Uint8Array): void {
    if (!this.#isEnded) this.#channel.frame(this.#id, frame);
  }

  end(refusal: Refusal): void {
    if (this.#isEnded) return;
    this.#channel.end(this.#id, refusal);
    this.#end(refusal);
  }

  /** Call this when the worker has ended the stream. `reason` is `undefined` if the client disconnected or the worker died. */
  closedByWorker(reason: Reason | undefined): void {
    if (!this.#isEnded) this.#end(reason === undefined ? undefined : refuse(reason));
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  onEnd(listener: SinkListener): void {
    if (this.#isEnded) listener.ended(this.#thrown);
    else this.#listener = listener;
  }

  #end(thrown: Refusal | undefined): void {
    this.#isEnded = true;
    this.#thrown = thrown;
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.ended(thrown);
  }
}
