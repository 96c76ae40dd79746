import { ExpiringTable, NO_SLOT } from "../memory/expiring-table.ts";
import { type TableLayout, tableLayout, tableMemory } from "../memory/table-memory.ts";
import type { FingerprintTable } from "../table.ts";
import type { SegmentLock } from "./segment-lock.ts";

/** Average number of entries per segment in a full table. */
const SEGMENT_ENTRIES = 4096;
/** Maximum load factor of a segment. It is higher than in private memory (0.4) to save space, because the file never shrinks. */
const LOAD_MAX = 0.7;
/** Number of bytes for the lock word of a segment: one cache line. */
const LOCK_BYTES = 64;
/** The slot numbers of segment n start at `n * SEGMENT_SLOTS`. */
const SEGMENT_SLOTS = 2 ** 16;

export interface SharedTableLayout {
  readonly segments: number;
  /** Maximum number of entries of one segment. */
  readonly segmentEntriesMax: number;
  readonly segment: TableLayout;
  readonly byteLength: number;
}

/**
 * Returns the layout of a table for `entriesMax` entries. Some segments get more entries than the average. So the maximum of a
 * segment is the average plus six standard deviations.
 */
export function sharedTableLayout(entriesMax: number): SharedTableLayout {
  const segments = Math.ceil(entriesMax / SEGMENT_ENTRIES);
  const average = entriesMax / segments;
  const segmentEntriesMax = Math.ceil(average + 6 * Math.sqrt(average));
  const segment = tableLayout(segmentEntriesMax, LOAD_MAX);
  return { segments, segmentEntriesMax, segment, byteLength: segments * (LOCK_BYTES + segment.byteLength) };
}

/**
 * A hash table in shared memory. The table consists of segments. Each segment has its own lock. The high half of a fingerprint
 * selects the segment.
 *
 * - `enter` locks the segments of all fingerprints of an operation. It locks them in ascending order to prevent deadlocks.
 * - If a process is killed during an operation, the segments that it locked stay locked. The next process that needs such a segment
 *   takes over the lock and recounts the entries of the segment. No entries are lost.
 */
export class SharedTable implements FingerprintTable {
  readonly #segments: readonly ExpiringTable[];
  readonly #lockWords: Int32Array;
  readonly #lockStride: number;
  readonly #lock: SegmentLock;
  readonly #segmentsPerHigh: number;
  /** The locked segments, in ascending order. */
  readonly #locked: number[] = [];

  /** `byteOffset`: the start of the table in the shared file. The bytes of a new table must be 0. */
  constructor(buffer: ArrayBuffer, byteOffset: number, layout: SharedTableLayout, lock: SegmentLock) {
    const stride = LOCK_BYTES + layout.segment.byteLength;
    this.#segments = Array.from({ length: layout.segments }, (_, at) => {
      const memory = tableMemory(buffer, byteOffset + at * stride + LOCK_BYTES, layout.segment);
      return new ExpiringTable(layout.segmentEntriesMax, memory);
    });
    this.#lockWords = new Int32Array(buffer, byteOffset, layout.byteLength / Int32Array.BYTES_PER_ELEMENT);
    this.#lockStride = stride / Int32Array.BYTES_PER_ELEMENT;
    this.#lock = lock;
    this.#segmentsPerHigh = layout.segments / 2 ** 32;
  }

  get occupied(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.occupied, 0);
  }

  enter(highs: readonly number[], count: number): void {
    this.#sortSegments(highs, count);
    for (let at = 0; at < this.#locked.length; at++) {
      const segment = this.#locked[at] ?? 0;
      try {
        const isTakenOver = this.#lock.acquire(this.#lockWords, segment * this.#lockStride);
        if (isTakenOver) this.#segments[segment]?.recount();
      } catch (error) {
        this.#locked.length = at;
        this.leave();
        throw error;
      }
    }
  }

  leave(): void {
    for (let at = this.#locked.length - 1; at >= 0; at--) {
      this.#lock.release(this.#lockWords, (this.#locked[at] ?? 0) * this.#lockStride);
    }
    this.#locked.length = 0;
  }

  prepare(low: number, high: number): void {
    this.#segments[this.#indexOf(high)]?.preload(low);
  }

  find(low: number, high: number): number {
    const at = this.#indexOf(high);
    const slot = this.#segments[at]?.find(low, high) ?? NO_SLOT;
    return slot === NO_SLOT ? NO_SLOT : at * SEGMENT_SLOTS + slot;
  }

  claim(low: number, high: number, nowMs: number): number {
    const at = this.#indexOf(high);
    const slot = this.#segments[at]?.claim(low, high, nowMs) ?? NO_SLOT;
    return slot === NO_SLOT ? NO_SLOT : at * SEGMENT_SLOTS + slot;
  }

  expiryMs(slot: number): number {
    return this.#segmentOf(slot)?.expiryMs(slot % SEGMENT_SLOTS) ?? 0;
  }

  setExpiry(slot: number, expiresAtMs: number): void {
    this.#segmentOf(slot)?.setExpiry(slot % SEGMENT_SLOTS, expiresAtMs);
  }

  evictedUntilMs(slot: number): number {
    return this.#segmentOf(slot)?.evictedUntilMs ?? 0;
  }

  /** Frees nothing, because the file always has its full size. */
  trim(): number {
    return 0;
  }

  /** Removes all entries whose value matches. Skips segments whose lock another process holds for too long. */
  vacateWhere(matches: (value: number) => boolean): void {
    for (const [segment, table] of this.#segments.entries()) {
      const at = segment * this.#lockStride;
      try {
        if (this.#lock.acquire(this.#lockWords, at)) table.recount();
      } catch {
        continue;
      }
      table.vacateWhere(matches);
      this.#lock.release(this.#lockWords, at);
    }
  }

  #segmentOf(slot: number): ExpiringTable | undefined {
    return this.#segments[Math.floor(slot / SEGMENT_SLOTS)];
  }

  #indexOf(high: number): number {
    return ((high >>> 0) * this.#segmentsPerHigh) | 0;
  }

  /** Writes the segments of the fingerprints into `#locked`, in ascending order and without duplicates. */
  #sortSegments(highs: readonly number[], count: number): void {
    const sorted = this.#locked;
    for (let at = 0; at < count; at++) {
      const segment = this.#indexOf(highs[at] ?? 0);
      let to = sorted.length;
      while (to > 0 && (sorted[to - 1] ?? 0) > segment) to--;
      if (sorted[to - 1] !== segment) sorted.splice(to, 0, segment);
    }
  }
}
