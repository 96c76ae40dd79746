import type { ClientEvent } from "./events.ts";
import type { Revocation } from "./sessions.ts";

export interface PublishedEvent {
  /** True if an event with the same audience and event id was published before. A duplicate is not published again. */
  readonly isDuplicate: boolean;
}

/**
 * Adds the events and revocations of the private listener to the push feed.
 *
 * - Order: the messages of one call stay in order. They follow the messages of all calls that were answered before this call
 *   began.
 * - Atomicity: a call that throws `PublishUnavailable` may have published all of its messages. A call that throws another error
 *   has published nothing.
 * - Repeats: an event id is remembered for `EVENT_ID_MEMORY_MS` or longer. It may be forgotten earlier if more than
 *   `EVENT_IDS_MIN` events follow. The events of different audiences may have the same id. An event without an id is never a
 *   repeat.
 */
export interface Publisher {
  /**
   * Resolves when each event has reached the open streams of its audience, or is stored for these streams. Throws `EventIdReused`
   * or `PublishUnavailable`.
   */
  publish(events: readonly ClientEvent[]): Promise<readonly PublishedEvent[]>;
  /** Resolves when the revocations are applied or stored. Throws `PublishUnavailable`. */
  revoke(revocations: readonly Revocation[]): Promise<void>;
}

/** The messages of a call were possibly not published. The caller may repeat the call: event ids prevent a second delivery. */
export class PublishUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PublishUnavailable";
  }
}

/** An event has the audience and the id of an earlier event, but another type or payload. */
export class EventIdReused extends Error {
  /** The index of the event in its call. */
  readonly index: number;

  constructor(index: number) {
    super("the event id belongs to another event");
    this.name = "EventIdReused";
    this.index = index;
  }
}
