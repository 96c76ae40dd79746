import type { ClientEvent } from "../../core/events.ts";

export interface LoggedEvent {
  readonly event: ClientEvent;
  readonly cursor: string;
}

/** The events that earlier runs of the gateway have stored. */
export interface LoadedEvents {
  /** The cursor of the event before `events`; `undefined` if it is not known. */
  readonly before: string | undefined;
  /**
   * Events that are not delivered again: they are too old, or events after them are missing. The gateway still needs their ids to
   * detect duplicates.
   */
  readonly older: readonly ClientEvent[];
  /** The events that are delivered again, oldest first. */
  readonly events: readonly LoggedEvent[];
}

/**
 * Keeps the events of the private listener over a restart.
 *
 * `append` resolves when the events are stored. For an event that is too large, a gap is stored instead. If `append` rejects, the
 * log removes the bytes of the events. If the removal also fails, the log repeats it later. Only if every removal fails, the next
 * run may load these events.
 */
export interface EventLog {
  /** Returns the events that earlier runs have stored. Call it once, before the first `append`. */
  takeLoaded(): LoadedEvents;
  append(events: readonly LoggedEvent[]): Promise<void>;
  close(): Promise<void>;
}
