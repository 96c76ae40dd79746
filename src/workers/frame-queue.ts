import type { FrameBatch } from "./messages.ts";

/**
 * Collects the frames for the streams of one worker, and sends them at the end of the turn of the event loop. If the same frame
 * is pushed for several streams in a row, it is sent to the worker once.
 */
export class FrameQueue {
  readonly #send: (batch: FrameBatch) => void;
  readonly #defer: (work: () => void) => void;
  #batch: [frame: Uint8Array, streams: number[]][] = [];
  #isScheduled = false;

  constructor(send: (batch: FrameBatch) => void, defer: (work: () => void) => void) {
    this.#send = send;
    this.#defer = defer;
  }

  push(stream: number, frame: Uint8Array): void {
    const last = this.#batch.at(-1);
    if (last?.[0] === frame) last[1].push(stream);
    else this.#batch.push([frame, [stream]]);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#defer(() => this.flush());
  }

  /** Sends the collected frames. Call this before any other message to the worker, so that the order is kept. */
  flush(): void {
    this.#isScheduled = false;
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#send(batch);
  }
}
