import type { FingerprintTable } from "../table.ts";
import { ExpiringTable, NO_SLOT, TABLE_ENTRIES_MAX } from "./expiring-table.ts";

/**
 * Number of entries per segment, on average, if the table is full. A low number keeps rebuilds short: a rebuild copies one
 * segment, at 0.1 µs per entry.
 */
const SEGMENT_ENTRIES = 4096;
const SEGMENT_ENTRIES_MIN = 64;
/**
 * Maximum number of segments. The `ExpiringTable` objects of 512 segments, without their entries, fit into the CPU's caches. So a
 * larger table has larger segments instead of more segments.
 */
const SEGMENTS_MAX = 512;
/**
 * The slot numbers of segment n start at `n * SEGMENT_SLOTS`. No segment needs more than `SEGMENT_SLOTS` numbers, because the
 * secret seed spreads the fingerprints evenly over the segments.
 */
const SEGMENT_SLOTS = 2 ** 21;
/** Size of a segment in bytes, divided by its `entriesMax`. */
const ENTRY_BYTES = 41;
/** After `prepare`, the segment has room for at least this number of new fingerprints. */
const PREPARED_ENTRIES = 16;
/** A rebuilt segment has room for this multiple of its live entries. */
const GROWTH = 1.5;
/** `trim` shrinks a segment if its number of live entries is less than this share of its `entriesMax`. */
const TRIM_BELOW = 0.25;
/** Number of `trim` calls that together check every segment once. */
const TRIM_CALLS = 30;
/** Maximum number of segments in which `claim` searches for expired entries if the table is full. */
const RECLAIM_SEGMENTS = 16;
/** If the table is full, `claim` searches this many groups of each of these segments for expired entries. */
const RECLAIM_GROUPS = 32;

/**
 * A hash table like `ExpiringTable`. Its memory grows and shrinks with the number of live entries.
 *
 * - The table consists of segments. Each segment is an `ExpiringTable`. The high half of a fingerprint selects the segment.
 * - A full segment is replaced by a larger one. `trim` replaces a segment with few live entries by a smaller one.
 * - A slot is valid until the next `claim`, `prepare` or `trim`.
 *
 * To use several slots at the same time, first call `prepare` for up to 16 fingerprints (`PREPARED_ENTRIES`), then claim them.
 * The slots of all these fingerprints stay valid while you claim them.
 */
export class GrowingTable implements FingerprintTable {
  readonly entriesMax: number;
  readonly #segments: (ExpiringTable | undefined)[];
  readonly #segmentsPerHigh: number;
  #occupied = 0;
  /** The sum of `entriesMax` of all segments. */
  #capacity = 0;
  #evictedUntilMs = 0;
  #reclaimAt = 0;
  #trimAt = 0;

  constructor(entriesMax: number) {
    if (!Number.isInteger(entriesMax) || entriesMax < 1 || entriesMax > TABLE_ENTRIES_MAX) {
      throw new RangeError(`entriesMax must be a whole number from 1 to ${TABLE_ENTRIES_MAX}, not ${entriesMax}`);
    }
    this.entriesMax = entriesMax;
    this.#segments = new Array(Math.min(SEGMENTS_MAX, Math.ceil(entriesMax / SEGMENT_ENTRIES))).fill(undefined);
    this.#segmentsPerHigh = this.#segments.length / 2 ** 32;
  }

  /** The number of stored entries, including expired entries whose slot was not yet reused. */
  get occupied(): number {
    return this.#occupied;
  }

  /** Only this process uses the table, so there is nothing to lock. */
  enter(): void {}

  leave(): void {}

  /** Returns the latest expiry of all evicted entries; 0 if no entry was evicted. */
  evictedUntilMs(): number {
    return this.#evictedUntilMs;
  }

  /**
   * Makes room for a fingerprint. Also loads the group of slots at which a search for the fingerprint begins. The slots are then in
   * the CPU's cache. If you prepare several fingerprints in a row, their cache misses overlap.
   */
  prepare(low: number, high: number, nowMs: number): void {
    const at = this.#indexOf(high);
    const segment = this.#segments[at];
    const isFull = segment === undefined || segment.occupied + PREPARED_ENTRIES > segment.entriesMax;
    (isFull ? this.#rebuild(at, nowMs) : segment).preload(low);
  }

  /** See `ExpiringTable.find`. */
  find(low: number, high: number): number {
    const at = this.#indexOf(high);
    const slot = this.#segments[at]?.find(low, high) ?? NO_SLOT;
    return slot === NO_SLOT ? NO_SLOT : at * SEGMENT_SLOTS + slot;
  }

  /** See `ExpiringTable.claim`. */
  claim(low: number, high: number, nowMs: number): number {
    const at = this.#indexOf(high);
    let segment = this.#segments[at];
    if (segment === undefined || segment.occupied === segment.entriesMax) segment = this.#rebuild(at, nowMs);
    const before = segment.occupied;
    const slot = segment.claim(low, high, nowMs);
    this.#note(segment, before);
    const isNew = segment.expiryMs(slot) === 0;
    if (isNew && this.#occupied >= this.entriesMax && !this.#reclaim(nowMs)) return NO_SLOT;
    return at * SEGMENT_SLOTS + slot;
  }

  /** See `ExpiringTable.expiryMs`. */
  expiryMs(slot: number): number {
    const at = Math.floor(slot / SEGMENT_SLOTS);
    return this.#segments[at]?.expiryMs(slot - at * SEGMENT_SLOTS) ?? 0;
  }

  /** See `ExpiringTable.setExpiry`. */
  setExpiry(slot: number, expiresAtMs: number): void {
    const at = Math.floor(slot / SEGMENT_SLOTS);
    const segment = this.#segments[at];
    if (segment === undefined) return;
    const before = segment.occupied;
    segment.setExpiry(slot - at * SEGMENT_SLOTS, expiresAtMs);
    this.#note(segment, before);
  }

  /**
   * Frees the memory of expired entries in the next part of the table. Returns the number of freed bytes. Call this method
   * every second.
   */
  trim(nowMs: number): number {
    const before = this.#capacity;
    for (let left = Math.ceil(this.#segments.length / TRIM_CALLS); left > 0; left--) {
      this.#trimAt = (this.#trimAt + 1) % this.#segments.length;
      const segment = this.#segments[this.#trimAt];
      if (segment === undefined) continue;
      const live = segment.liveAt(nowMs);
      const isLarge = segment.entriesMax > SEGMENT_ENTRIES_MIN && live < segment.entriesMax * TRIM_BELOW;
      if (isLarge || live === 0) this.#rebuild(this.#trimAt, nowMs, live);
    }
    return (before - this.#capacity) * ENTRY_BYTES;
  }

  #indexOf(high: number): number {
    return ((high >>> 0) * this.#segmentsPerHigh) | 0;
  }

  /**
   * Replaces a segment by a new one with room for the live entries and for further entries. `trimmedTo` is the number of live
   * entries. Only `trim` passes it. If `trimmedTo` is 0, the segment is removed and not replaced.
   */
  #rebuild(at: number, nowMs: number, trimmedTo?: number): ExpiringTable {
    const old = this.#segments[at];
    const live = trimmedTo ?? old?.liveAt(nowMs) ?? 0;
    const entries = Math.max(SEGMENT_ENTRIES_MIN, Math.ceil(live * GROWTH) + PREPARED_ENTRIES);
    const rebuilt = new ExpiringTable(entries);
    const before = old?.occupied ?? 0;
    old?.copyTo(rebuilt, nowMs);
    const kept = trimmedTo === 0 ? undefined : rebuilt;
    this.#segments[at] = kept;
    this.#capacity += (kept?.entriesMax ?? 0) - (old?.entriesMax ?? 0);
    this.#note(rebuilt, before);
    return rebuilt;
  }

  #note(segment: ExpiringTable, occupiedBefore: number): void {
    this.#occupied += segment.occupied - occupiedBefore;
    if (segment.evictedUntilMs > this.#evictedUntilMs) this.#evictedUntilMs = segment.evictedUntilMs;
  }

  /**
   * Removes expired entries from at most `RECLAIM_SEGMENTS` segments, until the table has room for an entry. Returns whether
   * the table has room.
   */
  #reclaim(nowMs: number): boolean {
    for (let left = RECLAIM_SEGMENTS; left > 0 && this.#occupied >= this.entriesMax; left--) {
      const segment = this.#segments[this.#reclaimAt];
      this.#reclaimAt = (this.#reclaimAt + 1) % this.#segments.length;
      if (segment === undefined) continue;
      const before = segment.occupied;
      segment.vacateExpired(nowMs, RECLAIM_GROUPS);
      this.#note(segment, before);
    }
    return this.#occupied < this.entriesMax;
  }
}
