import type { SignedEvent } from "./event.ts";
import { ReplayBuffer, type ReplayBufferKey, type ReplayEntry } from "./replay-buffer.ts";
import type { StreamPositions } from "./stream-positions.ts";

/** The bounds of the stored events. */
export interface HistoryLimits {
  /** Per replay buffer: one user or one session. */
  readonly eventsMax: number;
  readonly bytesMax: number;
  /** For all replay buffers together. */
  readonly totalBytesMax: number;
  /** Events of this age are evicted. */
  readonly ageMs: number;
}

/** The events that a resuming stream has missed. */
export interface MissedEvents {
  /** The position up to which the client has received everything. */
  readonly after: number;
  /** All later events of its user and session, in order. */
  readonly events: readonly SignedEvent[];
}

/** Estimated memory of an entry without its event, and of a replay buffer without its entries. */
const ENTRY_OVERHEAD_BYTES = 128;
const BUFFER_OVERHEAD_BYTES = 512;

/**
 * The replay buffers of all users and sessions, for streams that resume. Bounded per buffer, in total, and by age.
 *
 * An answer is complete or `undefined`: if any event of the requested range may be missing, no event of it is returned. Evictions by age
 * and by the total bound remove the oldest event of all buffers, so one position (`#evictedThrough`) covers them. Evictions by a buffer's
 * own bounds are recorded in that buffer (`incompleteThrough`).
 */
export class History {
  readonly #limits: HistoryLimits;
  readonly #positions: StreamPositions;
  readonly #buffers = new Map<ReplayBufferKey, ReplayBuffer>();
  #oldest: ReplayEntry | undefined;
  #newest: ReplayEntry | undefined;
  #events = 0;
  #heldBytes = 0;
  #evictedThrough = 0;

  constructor(limits: HistoryLimits, positions: StreamPositions) {
    this.#limits = limits;
    this.#positions = positions;
  }

  get events(): number {
    return this.#events;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Stores the event of a position. If the event is `undefined` (it could not be delivered) or too large, an entry without an event takes
   * its place, and no stream of this key resumes from before it.
   */
  add(key: ReplayBufferKey, event: SignedEvent | undefined, position: number, nowMs: number): void {
    const buffer = this.#bufferOf(key);
    const stored =
      event !== undefined && event.heldBytes + ENTRY_OVERHEAD_BYTES <= this.#limits.bytesMax ? event.compact() : undefined;
    this.#append({
      buffer,
      position,
      storedAtMs: nowMs,
      event: stored,
      heldBytes: ENTRY_OVERHEAD_BYTES + (stored?.heldBytes ?? 0),
      nextInBuffer: undefined,
      older: this.#newest,
      newer: undefined,
    });
    if (stored === undefined) buffer.incompleteThrough = position;
    const { eventsMax, bytesMax, totalBytesMax } = this.#limits;
    while (buffer.events > eventsMax || buffer.heldBytes > bytesMax) {
      buffer.incompleteThrough = Math.max(buffer.incompleteThrough, buffer.oldest?.position ?? 0);
      this.#drop(buffer.oldest);
    }
    while (this.#heldBytes > totalBytesMax) this.#evictOldest();
  }

  /**
   * All events of the user and the session after the event with this id. `undefined` if the id is unknown or ambiguous, or if a later event
   * may be missing.
   */
  since(eventId: string, userId: string, deviceSessionId: string): MissedEvents | undefined {
    const buffers = [this.#buffers.get(`user:${userId}`), this.#buffers.get(`session:${deviceSessionId}`)];
    const after = this.#positions.parse(eventId) ?? positionIn(buffers, eventId);
    if (after === undefined || after < this.#evictedThrough) return undefined;
    if (buffers.some((buffer) => buffer !== undefined && buffer.incompleteThrough > after)) return undefined;
    const entries = buffers.flatMap((buffer) => [...(buffer?.entries() ?? [])]);
    const missed = entries.filter(({ position }) => position > after).toSorted((a, b) => a.position - b.position);
    return { after, events: missed.flatMap(({ event }) => event ?? []) };
  }

  evictExpired(nowMs: number): void {
    const { ageMs } = this.#limits;
    while (this.#oldest !== undefined && nowMs - this.#oldest.storedAtMs >= ageMs) this.#evictOldest();
  }

  /** Drops all events. No stream resumes from an earlier position. */
  clear(): void {
    this.#buffers.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#events = 0;
    this.#heldBytes = 0;
    this.#evictedThrough = this.#positions.next();
  }

  #bufferOf(key: ReplayBufferKey): ReplayBuffer {
    const known = this.#buffers.get(key);
    if (known !== undefined) return known;
    const created = new ReplayBuffer(key);
    this.#buffers.set(key, created);
    this.#heldBytes += BUFFER_OVERHEAD_BYTES;
    return created;
  }

  #append(entry: ReplayEntry): void {
    entry.buffer.append(entry);
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.#events++;
    this.#heldBytes += entry.heldBytes;
  }

  #evictOldest(): void {
    const entry = this.#oldest;
    if (entry === undefined) return;
    this.#evictedThrough = entry.position;
    this.#drop(entry);
  }

  /** Removes an entry. It must be the oldest of its buffer; the oldest entry of all buffers always is. */
  #drop(entry: ReplayEntry | undefined): void {
    if (entry === undefined) return;
    const { buffer, older, newer } = entry;
    buffer.dropOldest();
    if (buffer.events === 0) {
      this.#buffers.delete(buffer.key);
      this.#heldBytes -= BUFFER_OVERHEAD_BYTES;
    }
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    this.#events--;
    this.#heldBytes -= entry.heldBytes;
  }
}

/** The position of the event with this id; `undefined` unless exactly one stored event has it. */
function positionIn(buffers: readonly (ReplayBuffer | undefined)[], eventId: string): number | undefined {
  const positions = buffers.flatMap((buffer) => buffer?.positionsOf(eventId) ?? []);
  return positions.length === 1 ? positions[0] : undefined;
}
