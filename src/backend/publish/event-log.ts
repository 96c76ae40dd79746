import type { ClientEvent } from "../../core/events.ts";

export interface LoggedEvent {
  readonly event: ClientEvent;
  readonly cursor: string;
}

/** The events that earlier runs of the gateway have stored. */
export interface LoadedEvents {
  /** The cursor of the event before `events`; `undefined` if it is not known. */
  readonly before: string | undefined;
  /** Events that are not delivered again, because they are too old or later events are missing. Their ids are still needed to detect duplicates. */
  readonly older: readonly ClientEvent[];
  /** The events that are delivered again, oldest first. */
  readonly events: readonly LoggedEvent[];
}

/**
 * Keeps the events of the private listener over a restart.
 *
 * `append` resolves when the events are stored, or when a gap is stored in the place of events that are too large. If `append`
 * rejects, no later run loads any of these events, unless their bytes cannot be removed before the process ends.
 */
export interface EventLog {
  /** Returns the events that earlier runs have stored. Call it once, before the first `append`. */
  takeLoaded(): LoadedEvents;
  append(events: readonly LoggedEvent[]): Promise<void>;
  close(): Promise<void>;
}
