import type { SignedEvent } from "./event.ts";
import { ReplayBuffer, type ReplayBufferKey, type ReplayEntry } from "./replay-buffer.ts";
import type { Position, StreamPositions } from "./stream-positions.ts";

/** The bounds of the replay buffers. */
export interface HistoryLimits {
  /** Maximum number of events in one replay buffer. */
  readonly eventsMax: number;
  /** Maximum memory of one replay buffer, in bytes. */
  readonly bytesMax: number;
  /** Maximum memory of all replay buffers together, in bytes. */
  readonly totalBytesMax: number;
  /** The age at which an event is evicted. */
  readonly ageMs: number;
}

/** The events that a client missed before it resumed its stream. */
export interface MissedEvents {
  /** The stream position up to which the client has received all events. */
  readonly after: Position;
  /** All events of the client's user and of its session that follow the position `after`, in order. */
  readonly events: readonly SignedEvent[];
}

/** Estimated memory of one entry of a replay buffer, without the event that the entry holds. */
const ENTRY_OVERHEAD_BYTES = 128;
/** Estimated memory of a replay buffer without its entries. */
const BUFFER_OVERHEAD_BYTES = 512;

/**
 * The replay buffers of all users and sessions, for streams that resume. The size of each buffer, the total size and the age of
 * events are bounded.
 *
 * `since` returns all requested events, or `undefined` if one of them may be missing. Two fields record up to which position
 * events may be missing:
 * - `History.#evictedThrough`: evictions by age or by the total size. They always remove the oldest event of all buffers, so
 *   all buffers share one position.
 * - `ReplayBuffer.incompleteThrough`: evictions by the bounds of one buffer, and events that were never stored.
 */
export class History {
  #limits: HistoryLimits;
  readonly #positions: Pick<StreamPositions, "parse">;
  readonly #buffers = new Map<ReplayBufferKey, ReplayBuffer>();
  #oldest: ReplayEntry | undefined;
  #newest: ReplayEntry | undefined;
  #events = 0;
  #heldBytes = 0;
  #evictedThrough = 0;

  constructor(limits: HistoryLimits, positions: Pick<StreamPositions, "parse">) {
    this.#limits = limits;
    this.#positions = positions;
  }

  /** Uses other limits from now on. If a buffer exceeds a lower limit, it shrinks when its next event is stored. */
  adopt(limits: HistoryLimits): void {
    this.#limits = limits;
  }

  get events(): number {
    return this.#events;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Stores an event in the replay buffer of `key`. `event` is `undefined` for an event that could not be delivered.
   *
   * If `event` is `undefined` or too large, stores an entry without an event. Then no stream of `key` can resume from an
   * earlier position.
   */
  add(key: ReplayBufferKey, event: SignedEvent | undefined, position: Position, nowMs: number): void {
    const buffer = this.#bufferOf(key);
    const stored =
      event !== undefined && event.heldBytes + ENTRY_OVERHEAD_BYTES <= this.#limits.bytesMax ? event.compact() : undefined;
    this.#append({
      buffer,
      position,
      eventId: event?.eventId,
      storedAtMs: nowMs,
      event: stored,
      heldBytes: ENTRY_OVERHEAD_BYTES + (stored?.heldBytes ?? 0),
      nextInBuffer: undefined,
      older: this.#newest,
      newer: undefined,
    });
    if (stored === undefined) buffer.incompleteThrough = position.order;
    const { eventsMax, bytesMax, totalBytesMax } = this.#limits;
    while (buffer.events > eventsMax || buffer.heldBytes > bytesMax) {
      buffer.incompleteThrough = Math.max(buffer.incompleteThrough, buffer.oldest?.position.order ?? 0);
      this.#drop(buffer.oldest);
    }
    while (this.#heldBytes > totalBytesMax) this.#evictOldest();
  }

  /**
   * Returns all events of the user and of the session that follow the event `eventId`. Returns `undefined` if:
   * - the id is unknown, or
   * - several stored events have this id, or
   * - an event after the event `eventId` may be missing.
   */
  since(eventId: string, userId: string, deviceSessionId: string): MissedEvents | undefined {
    const buffers = [this.#buffers.get(`user:${userId}`), this.#buffers.get(`session:${deviceSessionId}`)];
    const after = this.#positions.parse(eventId) ?? positionIn(buffers, eventId);
    if (after === undefined || after.order < this.#evictedThrough) return undefined;
    if (buffers.some((buffer) => buffer !== undefined && buffer.incompleteThrough > after.order)) return undefined;
    const entries = buffers.flatMap((buffer) => [...(buffer?.entries() ?? [])]);
    const missed = entries
      .filter(({ position }) => position.order > after.order)
      .toSorted((a, b) => a.position.order - b.position.order);
    return { after, events: missed.flatMap(({ event }) => event ?? []) };
  }

  evictExpired(nowMs: number): void {
    const { ageMs } = this.#limits;
    while (this.#oldest !== undefined && nowMs - this.#oldest.storedAtMs >= ageMs) this.#evictOldest();
  }

  /** Drops all events. No stream can then resume from a position before `position`. */
  clear(position: Position): void {
    this.#buffers.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#events = 0;
    this.#heldBytes = 0;
    this.#evictedThrough = position.order;
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
    this.#evictedThrough = entry.position.order;
    this.#drop(entry);
  }

  /** Removes an entry. It must be the oldest entry of its replay buffer. */
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

/** Returns the position of the event with this id. Returns `undefined` if no event or more than one event has this id. */
function positionIn(buffers: readonly (ReplayBuffer | undefined)[], eventId: string): Position | undefined {
  const positions = buffers.flatMap((buffer) => buffer?.positionsOf(eventId) ?? []);
  return positions.length === 1 ? positions[0] : undefined;
}
