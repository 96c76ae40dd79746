import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { ClientEvent } from "../../core/events.ts";
import { EVENT_ID_MEMORY_MS, EVENT_IDS_MIN } from "../../core/limits.ts";

/** Length of a hash: 22 characters of base64url hold 132 bits. With fewer bits, a caller could find two equal hashes. */
const HASH_CHARS = 22;

/**
 * Whether an event with the same id and audience is remembered:
 *
 * - `new`: no such event.
 * - `duplicate`: an event with the same type and payload.
 * - `reused`: an event with another type or payload.
 */
export type EventIdState = "new" | "duplicate" | "reused";

/** Returns a hash of the audience and the id of an event; `undefined` if the event has no id. */
export function eventKey({ userId, deviceSessionId, eventId }: ClientEvent): string | undefined {
  if (eventId === "") return undefined;
  // An event with a session id has only the session as its audience, even if the event also has a user id.
  return hashOf(deviceSessionId === "" ? `user ${userId} ${eventId}` : `session ${deviceSessionId} ${eventId}`);
}

/** Returns a hash of the type and the payload of an event. */
export function contentHash({ eventType, payloadBytes }: ClientEvent): string {
  return createHash("sha256").update(`${eventType} `).update(payloadBytes).digest("base64url").slice(0, HASH_CHARS);
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, HASH_CHARS);
}

/**
 * Remembers the ids of published events. An id is forgotten only if it is older than `EVENT_ID_MEMORY_MS`, or if at least
 * `EVENT_IDS_MIN` newer ids are remembered. The ids are in two maps. When the newer map is full or too old, it becomes the older
 * map, and an empty map becomes the newer map. The ids in the former older map are forgotten.
 *
 * A third map has the ids of events that are being written. So a failed write does not change the other two maps.
 */
export class RecentEventIds {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #pending = new Map<string, string>();
  #newer = new Map<string, string>();
  #older: ReadonlyMap<string, string> = new Map();
  #newerSinceMs: number;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
    this.#newerSinceMs = clock.monotonic();
  }

  stateOf(event: ClientEvent): EventIdState {
    this.#forgetOld();
    const key = eventKey(event);
    const known = key === undefined ? undefined : (this.#pending.get(key) ?? this.#newer.get(key) ?? this.#older.get(key));
    if (known === undefined) return "new";
    return known === contentHash(event) ? "duplicate" : "reused";
  }

  /** Adds the id of an event that is about to be published. Call `confirm` or `remove` next. */
  add(event: ClientEvent): void {
    const key = eventKey(event);
    if (key !== undefined) this.#pending.set(key, contentHash(event));
  }

  /** Remembers the id of an event that is published. */
  confirm(event: ClientEvent): void {
    const key = eventKey(event);
    const hash = key === undefined ? undefined : this.#pending.get(key);
    if (key === undefined || hash === undefined) return;
    this.#pending.delete(key);
    if (this.#newer.size >= EVENT_IDS_MIN) this.#renew();
    this.#newer.set(key, hash);
  }

  /** Undoes `add` for an event that was not published. */
  remove(event: ClientEvent): void {
    const key = eventKey(event);
    if (key !== undefined) this.#pending.delete(key);
  }

  #forgetOld(): void {
    if (this.#clock.monotonic() - this.#newerSinceMs >= EVENT_ID_MEMORY_MS) this.#renew();
  }

  #renew(): void {
    this.#older = this.#newer;
    this.#newer = new Map();
    this.#newerSinceMs = this.#clock.monotonic();
  }
}
