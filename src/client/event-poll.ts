import type { FetchEventsOptions } from "./options.ts";
import type { OpenOptions } from "./transport-choice.ts";
import type { VerifiedEvent } from "./verify.ts";

/** How long a call of FetchEvents waits for an event at the gateway, in ms. */
export const POLL_WAIT_MS = 25_000;
/** Maximum number of events in an answer. */
const EVENTS_MAX = 500;

/**
 * Yields the events of FetchEvents calls, one call after the other. The events of each call start with `gateway.server_time`.
 *
 * The first call does not wait for events. Its immediate answer shows that calls reach the gateway.
 */
export async function* pollEvents(
  fetchEvents: (options: FetchEventsOptions) => Promise<VerifiedEvent[]>,
  { resumeAfter: start, signal }: OpenOptions,
): AsyncGenerator<VerifiedEvent, void, undefined> {
  let resumeAfter = start;
  for (let waitMs = 0; !signal.aborted; waitMs = POLL_WAIT_MS) {
    const events = await fetchEvents({ resumeAfter, waitMs, eventsMax: EVENTS_MAX, signal });
    yield* events;
    resumeAfter = events.at(-1)?.eventId ?? resumeAfter;
  }
}
