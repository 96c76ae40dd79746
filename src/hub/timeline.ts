import type { SignedEvent } from "./event.ts";

/** Whose events they are: all of a user's streams, or one session's. */
export type TimelineKey = `user:${string}` | `session:${string}`;

/** One remembered event. It is linked into its timeline, and into the list of all of them, oldest first. */
export interface Entry {
  readonly timeline: Timeline;
  readonly position: number;
  readonly rememberedAtMs: number;
  /** `undefined`: one that was too large to remember, or that nobody got. That something was there is remembered all the same. */
  readonly event: SignedEvent | undefined;
  readonly heldBytes: number;
  nextInTimeline: Entry | undefined;
  older: Entry | undefined;
  newer: Entry | undefined;
}

/** The remembered events of one key, oldest first, and how far back they are whole. */
export class Timeline {
  readonly key: TimelineKey;
  oldest: Entry | undefined;
  #newest: Entry | undefined;
  #events = 0;
  #heldBytes = 0;
  /** The position of the newest event that is missing here though the list of all has not come to it yet. */
  missingThrough = 0;

  constructor(key: TimelineKey) {
    this.key = key;
  }

  get events(): number {
    return this.#events;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  append(entry: Entry): void {
    if (this.#newest === undefined) this.oldest = entry;
    else this.#newest.nextInTimeline = entry;
    this.#newest = entry;
    this.#events++;
    this.#heldBytes += entry.heldBytes;
  }

  dropOldest(): void {
    const entry = this.oldest;
    if (entry === undefined) return;
    this.oldest = entry.nextInTimeline;
    if (this.oldest === undefined) this.#newest = undefined;
    this.#events--;
    this.#heldBytes -= entry.heldBytes;
  }

  positionsOf(eventId: string): number[] {
    const positions: number[] = [];
    for (const entry of this.entries()) if (entry.event?.eventId === eventId) positions.push(entry.position);
    return positions;
  }

  *entries(): Generator<Entry> {
    for (let entry = this.oldest; entry !== undefined; entry = entry.nextInTimeline) yield entry;
  }
}
