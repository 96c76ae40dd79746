import type { SallyportClient } from "../client/client.ts";
import type { VerifiedEvent } from "../client/verify.ts";
import { Unexpected } from "./scenario-steps.ts";

/** Listens to one stream of events, at the pace of whoever asks. */
export class EventListener {
  readonly #events: AsyncGenerator<VerifiedEvent, void, undefined>;

  constructor(client: SallyportClient, signal: AbortSignal) {
    this.#events = client.subscribe({ signal });
  }

  /** The next event of this type; those of other types before it, such as heartbeats, are passed over. */
  async next(eventType: string): Promise<VerifiedEvent> {
    for (let next = await this.#events.next(); !next.done; next = await this.#events.next()) {
      if (next.value.eventType === eventType) return next.value;
    }
    throw new Unexpected(`an event ${eventType}`, "the end of the stream");
  }

  /** The error that the stream ends with; `undefined` where it ends without. */
  async end(): Promise<unknown> {
    try {
      for await (const _ of this.#events);
      return undefined;
    } catch (error) {
      return error;
    }
  }
}
