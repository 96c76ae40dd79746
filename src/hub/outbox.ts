/** How much may wait for a client that reads too slowly. */
export interface OutboxLimits {
  /** Unread bytes, those that the runtime holds included. */
  readonly bytesMax: number;
  readonly messagesMax: number;
}

/**
 * The runtime gets no more than this ahead of the client, and a frame; the rest waits here, where streams share it. No outbox is smaller
 * (config/schema-streams.ts).
 */
export const WRITE_AHEAD_BYTES = 64 * 1024;

/** A frame that waits. */
export interface Waiting {
  readonly frame: Uint8Array;
  /** When the hub took the event in; `undefined` for the gateway's own. */
  readonly takenInMs: number | undefined;
}

/** Frames that wait for a client to read. The frames are shared with other outboxes: a slow crowd holds one copy. */
export class Outbox {
  #frames: Uint8Array[] = [];
  #takenInMs: (number | undefined)[] = [];
  /** Where the queue begins; what lies before has been taken. */
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get messages(): number {
    return this.#frames.length - this.#head;
  }

  /** Of those that wait, how many are of the backend. */
  get backendEvents(): number {
    return this.#takenInMs.slice(this.#head).filter((takenInMs) => takenInMs !== undefined).length;
  }

  push(frame: Uint8Array, takenInMs: number | undefined): void {
    this.#frames.push(frame);
    this.#takenInMs.push(takenInMs);
    this.#bytes += frame.byteLength;
  }

  shift(): Waiting | undefined {
    const frame = this.#frames[this.#head];
    if (frame === undefined) return undefined;
    const takenInMs = this.#takenInMs[this.#head++];
    this.#bytes -= frame.byteLength;
    if (this.#head * 2 >= this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#takenInMs = this.#takenInMs.slice(this.#head);
      this.#head = 0;
    }
    return { frame, takenInMs };
  }
}
