import type { SubscriptionEvent } from "./subscription-event.ts";

/**
 * Tells whether a source of events has caught up, so that its next event is a new one. A stream that resumes first delivers the
 * events that were missed. It has caught up with the first event that is signed after the stream began.
 */
export class StreamCatchUp {
  #isDone: boolean;
  #beganAtMs = Number.POSITIVE_INFINITY;

  /** `isDone` is true for a source without a position, which starts with the next event. */
  constructor(isDone: boolean) {
    this.#isDone = isDone;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Call this for each event, in order. */
  saw({ eventType, timestampMs }: SubscriptionEvent): void {
    if (eventType === "gateway.server_time") this.#beganAtMs = timestampMs;
    else if (timestampMs > this.#beganAtMs) this.#isDone = true;
  }

  /** Call this when a stream ends and the next one will resume. */
  restart(): void {
    this.#isDone = false;
    this.#beganAtMs = Number.POSITIVE_INFINITY;
  }
}
