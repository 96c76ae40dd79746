/**
 * Bounds of the data that one client has not read yet. If a new event would exceed a bound, the stream ends with SLOW_CONSUMER.
 */
export interface OutboxLimits {
  /** Maximum number of unread bytes of one stream, in the outbox and in the runtime's queue together. */
  readonly bytesMax: number;
  /** Maximum number of messages in the outbox. */
  readonly messagesMax: number;
}

/**
 * If the runtime has queued at least this many bytes for a stream, further frames wait in the outbox. This saves memory,
 * because all outboxes share one copy of a frame, but each runtime queue has its own copy.
 *
 * `OutboxLimits.bytesMax` is at least this number.
 */
export const WRITE_AHEAD_BYTES = 64 * 1024;

export interface QueuedFrame {
  readonly frame: Uint8Array;
  /**
   * When the hub received the event, in ms on the monotonic clock. `undefined` for an event that the gateway itself created.
   */
  readonly receivedAtMs: number | undefined;
}

/**
 * The queued frames of one stream whose client reads too slowly. Several outboxes can hold the same frame: do not modify its
 * bytes.
 */
export class Outbox {
  #frames: Uint8Array[] = [];
  #receivedAtMs: (number | undefined)[] = [];
  /**
   * Index in `#frames` of the frame that `shift` returns next. The frames before it are removed in batches, because this is
   * cheaper than one by one.
   */
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get messages(): number {
    return this.#frames.length - this.#head;
  }

  /** The number of queued events from the backend. */
  get backendEvents(): number {
    return this.#receivedAtMs.slice(this.#head).filter((receivedAtMs) => receivedAtMs !== undefined).length;
  }

  push(frame: Uint8Array, receivedAtMs: number | undefined): void {
    this.#frames.push(frame);
    this.#receivedAtMs.push(receivedAtMs);
    this.#bytes += frame.byteLength;
  }

  shift(): QueuedFrame | undefined {
    const frame = this.#frames[this.#head];
    if (frame === undefined) return undefined;
    const receivedAtMs = this.#receivedAtMs[this.#head++];
    this.#bytes -= frame.byteLength;
    if (this.#head * 2 >= this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#receivedAtMs = this.#receivedAtMs.slice(this.#head);
      this.#head = 0;
    }
    return { frame, receivedAtMs };
  }
}
