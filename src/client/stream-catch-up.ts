import type { SubscriptionEvent } from "./subscription-event.ts";

/**
 * Tells whether a source of events has caught up, so that its next event is a new one. A stream that resumes first delivers the
 * events that were missed. It has caught up with the first event that is signed after the stream began. After a resync, all events
 * are new.
 */
export class StreamCatchUp {
  #isDone: boolean;
  /** When the gateway signed the first `gateway.server_time`. Each answer to a poll has another one. */
  #beganAtMs = Number.POSITIVE_INFINITY;

  /** `isDone` is true for a source without a position, which starts with the next event. */
  constructor(isDone: boolean) {
    this.#isDone = isDone;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Call this for each event, in order. */
  saw({ kind, eventType, timestampMs }: SubscriptionEvent): void {
    if (kind === "resync") this.#isDone = true;
    else if (eventType === "gateway.server_time") this.#beganAtMs = Math.min(this.#beganAtMs, timestampMs);
    else if (timestampMs > this.#beganAtMs) this.#isDone = true;
  }

  /** Call this when a stream ends and the next one will resume. */
  restart(): void {
    this.#isDone = false;
    this.#beganAtMs = Number.POSITIVE_INFINITY;
  }
}
