/** How much may be unread before a stream ends with SLOW_CONSUMER. */
export interface OutboxLimits {
  /** Unread bytes, including those queued in the runtime. */
  readonly bytesMax: number;
  /** Messages in the outbox. */
  readonly messagesMax: number;
}

/**
 * Once the runtime has queued this many bytes for a stream, further frames wait in the outbox. Outboxes share one copy of a frame; bytes
 * queued in the runtime are not shared. The configuration accepts no smaller outbox.
 */
export const WRITE_AHEAD_BYTES = 64 * 1024;

/** A frame in an outbox. */
export interface QueuedFrame {
  readonly frame: Uint8Array;
  /** When the hub received the event, on the monotonic clock; `undefined` for an event of the gateway's own. */
  readonly receivedAtMs: number | undefined;
}

/** The queue of frames of one stream whose client reads too slowly. Other outboxes share the same arrays. */
export class Outbox {
  #frames: Uint8Array[] = [];
  #receivedAtMs: (number | undefined)[] = [];
  /** Index of the first queued frame. The entries before it were shifted and are removed in bulk. */
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get messages(): number {
    return this.#frames.length - this.#head;
  }

  /** The number of queued events that the backend sent. */
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
