import type { Refusal } from "../core/refusal.ts";
import type { Admission } from "./admission.ts";
import type { EventCodec, Sink, SinkListener } from "./sink.ts";
import type { StartPosition } from "./stream-start.ts";
import type { Subscription } from "./subscription.ts";

export interface EventCollectorParts {
  readonly codec: EventCodec;
  /** The name of the protocol, used as a metric label. */
  readonly protocol: string;
  /** Maximum number of collected events. */
  readonly eventsMax: number;
  /** Maximum total size of the collected events, in bytes. The first event is collected even if it is larger. */
  readonly bytesMax: number;
}

/**
 * The sink of a poll: collects events until `take`. Events that do not fit are not collected. The client gets them from the
 * replay buffers when it resumes after the last collected event.
 */
export class EventCollector implements Sink {
  readonly isPoll = true;
  readonly queuedBytes = 0;
  /** Frames are collected in binary. If the client needs base64, the complete response is encoded later. */
  readonly isBase64 = false;
  readonly codec: EventCodec;
  readonly protocol: string;
  readonly #eventsMax: number;
  readonly #bytesMax: number;
  readonly #frames: Uint8Array[] = [];
  #bytes = 0;
  /** Whether an event did not fit. Later events are not collected: the client would resume after them and miss this event. */
  #isFull = false;
  #isEnded = false;
  #isReleased = false;
  #refusal: Refusal | undefined;
  #listener: SinkListener | undefined;
  #wake: (() => void) | undefined;

  constructor(parts: EventCollectorParts) {
    this.codec = parts.codec;
    this.protocol = parts.protocol;
    this.#eventsMax = parts.eventsMax;
    this.#bytesMax = parts.bytesMax;
  }

  get ended(): boolean {
    return this.#isEnded || this.#isFull;
  }

  /** True if the poll can be answered now: an event was collected, the poll has ended, or `release` was called. */
  get isReady(): boolean {
    return this.#isEnded || this.#isReleased || this.#frames.length > 0;
  }

  /** Calls `wake` when `isReady` becomes true. */
  onReady(wake: () => void): void {
    this.#wake = wake;
    if (this.isReady) this.#ready();
  }

  write(frame: Uint8Array): void {
    if (this.ended) return;
    this.#isFull = this.#frames.length > 0 && !this.#fits(frame);
    if (this.#isFull) return;
    this.#frames.push(frame);
    this.#bytes += frame.byteLength;
    this.#ready();
  }

  end(refusal: Refusal): void {
    if (this.#isEnded) return;
    this.#refusal = refusal;
    this.#end(refusal);
  }

  /** Ends the wait for the first event. Events are still collected until `take`. */
  release(): void {
    this.#isReleased = true;
    this.#ready();
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  onEnd(listener: SinkListener): void {
    if (this.#isEnded) listener.ended(this.#refusal);
    else this.#listener = listener;
  }

  /**
   * Ends the poll and returns the collected frames. Throws the hub's refusal if:
   * - the hub ended the poll because the session was revoked, or
   * - the hub ended the poll for another reason, and no event was collected.
   */
  take(): readonly Uint8Array[] {
    this.cancel();
    const isRevoked = this.#refusal?.reason === "SESSION_REVOKED";
    if (this.#refusal !== undefined && (isRevoked || this.#frames.length === 0)) throw this.#refusal;
    return this.#frames;
  }

  /** Ends the poll without a result, for a client that has disconnected. */
  cancel(): void {
    if (!this.#isEnded) this.#end(undefined);
  }

  #fits(frame: Uint8Array): boolean {
    return this.#frames.length < this.#eventsMax && this.#bytes + frame.byteLength <= this.#bytesMax;
  }

  #end(thrown: Refusal | undefined): void {
    this.#isEnded = true;
    this.#listener?.ended(thrown);
    this.#listener = undefined;
    this.#ready();
  }

  #ready(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** A poll that the hub has accepted and not answered yet. */
export interface Poll extends StartPosition {
  readonly admission: Admission;
  readonly collector: EventCollector;
  readonly subscription: Subscription;
}
