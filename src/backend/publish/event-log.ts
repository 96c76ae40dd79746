import type { ClientEvent } from "../../core/events.ts";

/** An event and its cursor. */
export interface LoggedEvent {
  readonly event: ClientEvent;
  readonly cursor: string;
}

/** The events of earlier starts. */
export interface LoadedEvents {
  /** The cursor of the event before `events`; `undefined` if it is not known. */
  readonly before: string | undefined;
  /** Events that are too old to be delivered again. Their ids are still remembered. */
  readonly older: readonly ClientEvent[];
  /** The events that are delivered again, oldest first. */
  readonly events: readonly LoggedEvent[];
}

/**
 * Keeps the events of the private listener over a restart.
 *
 * `append` resolves when the events are stored. If it rejects, none of them is returned by a later start.
 */
export interface EventLog {
  /** Returns the events of earlier starts. Call it once, before `append`. */
  takeLoaded(): LoadedEvents;
  append(events: readonly LoggedEvent[]): Promise<void>;
  close(): Promise<void>;
}
