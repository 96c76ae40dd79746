import type { SallyportClient } from "../client/client.ts";
import type { VerifiedEvent } from "../client/verify.ts";
import { UnexpectedResult } from "./scenario-steps.ts";

/** Subscribes to events and returns them one by one. */
export class EventReader {
  readonly #events: AsyncGenerator<VerifiedEvent, void, undefined>;

  constructor(client: SallyportClient, signal: AbortSignal) {
    this.#events = client.openStream({ signal });
  }

  /** Resolves to the next event of the given type. Events of other types, such as heartbeats, are skipped. */
  async next(eventType: string): Promise<VerifiedEvent> {
    for (let next = await this.#events.next(); !next.done; next = await this.#events.next()) {
      if (next.value.eventType === eventType) return next.value;
    }
    throw new UnexpectedResult(`an event ${eventType}`, "the end of the stream");
  }

  /** Waits until the stream ends. Resolves to the error that ended the stream, or to `undefined` if there was no error. */
  async end(): Promise<unknown> {
    try {
      for await (const _ of this.#events);
      return undefined;
    } catch (error) {
      return error;
    }
  }
}
