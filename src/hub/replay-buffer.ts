import type { ClientAudience } from "../core/events.ts";
import type { SignedEvent } from "./event.ts";
import type { Position } from "./stream-positions.ts";

/** The user or session whose events a replay buffer holds. */
export type ReplayBufferKey = `user:${string}` | `session:${string}`;

/** Returns the key for the audience of an event: the session if `deviceSessionId` is set, the user otherwise. */
export function replayBufferKey({ deviceSessionId, userId }: ClientAudience): ReplayBufferKey {
  return deviceSessionId ? `session:${deviceSessionId}` : `user:${userId}`;
}

/**
 * An entry of a replay buffer. It is in two linked lists, both oldest first:
 * - `nextInBuffer` links the entries of one replay buffer.
 * - `older` and `newer` link the entries of all replay buffers.
 */
export interface ReplayEntry {
  readonly buffer: ReplayBuffer;
  readonly position: Position;
  /**
   * The id of the event, even if the event was too large to store. `undefined` if the event could not be delivered, because
   * then no client has its id.
   */
  readonly eventId: string | undefined;
  readonly storedAtMs: number;
  /** `undefined` if the event at this position was too large to store, or could not be delivered. */
  readonly event: SignedEvent | undefined;
  readonly heldBytes: number;
  nextInBuffer: ReplayEntry | undefined;
  older: ReplayEntry | undefined;
  newer: ReplayEntry | undefined;
}

/** The recent events of one user or session, oldest first. */
export class ReplayBuffer {
  readonly key: ReplayBufferKey;
  oldest: ReplayEntry | undefined;
  #newest: ReplayEntry | undefined;
  #events = 0;
  #heldBytes = 0;
  /**
   * `Position.order` of the newest event that is missing in this buffer; 0 if none is missing. A missing event was evicted
   * because of the bounds of this buffer, or was never stored.
   */
  incompleteThrough = 0;

  constructor(key: ReplayBufferKey) {
    this.key = key;
  }

  get events(): number {
    return this.#events;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  append(entry: ReplayEntry): void {
    if (this.#newest === undefined) this.oldest = entry;
    else this.#newest.nextInBuffer = entry;
    this.#newest = entry;
    this.#events++;
    this.#heldBytes += entry.heldBytes;
  }

  dropOldest(): void {
    const entry = this.oldest;
    if (entry === undefined) return;
    this.oldest = entry.nextInBuffer;
    if (this.oldest === undefined) this.#newest = undefined;
    this.#events--;
    this.#heldBytes -= entry.heldBytes;
  }

  positionsOf(eventId: string): Position[] {
    const positions: Position[] = [];
    for (const entry of this.entries()) if (entry.eventId === eventId) positions.push(entry.position);
    return positions;
  }

  *entries(): Generator<ReplayEntry> {
    for (let entry = this.oldest; entry !== undefined; entry = entry.nextInBuffer) yield entry;
  }
}
