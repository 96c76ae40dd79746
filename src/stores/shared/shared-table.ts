import { ExpiringTable, NO_SLOT } from "../memory/expiring-table.ts";
import { type TableLayout, tableLayout, tableMemory } from "../memory/table-memory.ts";
import type { FingerprintTable } from "../table.ts";
import type { SegmentLock } from "./segment-lock.ts";

/** Average number of entries per segment if the table is full. An operation locks at most one segment for each fingerprint. */
const SEGMENT_ENTRIES = 4096;
/** Maximum load factor of a segment. It is higher than for private memory, because the file always has its full size. */
const LOAD_MAX = 0.7;
/** The lock word of a segment has a cache line of its own. */
const LOCK_BYTES = 64;
/** The slot numbers of segment n start at `n * SEGMENT_SLOTS`. */
const SEGMENT_SLOTS = 2 ** 16;

/** The size of a table in the shared file. */
export interface SharedTableLayout {
  readonly segments: number;
  /** Maximum number of entries of one segment. */
  readonly segmentEntriesMax: number;
  readonly segment: TableLayout;
  readonly byteLength: number;
}

/**
 * Returns the layout of a table with room for `entriesMax` entries. The fingerprints spread evenly, but not exactly. So each
 * segment has room for six standard deviations more than the average.
 */
export function sharedTableLayout(entriesMax: number): SharedTableLayout {
  const segments = Math.ceil(entriesMax / SEGMENT_ENTRIES);
  const average = entriesMax / segments;
  const segmentEntriesMax = Math.ceil(average + 6 * Math.sqrt(average));
  const segment = tableLayout(segmentEntriesMax, LOAD_MAX);
  return { segments, segmentEntriesMax, segment, byteLength: segments * (LOCK_BYTES + segment.byteLength) };
}

/**
 * A hash table in memory that several processes share. It consists of segments with one lock each. The high half of a
 * fingerprint selects the segment.
 *
 * - `enter` locks the segments of all fingerprints of an operation, in ascending order. So two processes never wait for each
 *   other.
 * - A process can be killed during an operation. The next process that needs a locked segment takes over its lock and calls
 *   `recount`. No entry is lost.
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

  /** The file is allocated as a whole, so there is nothing to free. */
  trim(): number {
    return 0;
  }

  #segmentOf(slot: number): ExpiringTable | undefined {
    return this.#segments[Math.floor(slot / SEGMENT_SLOTS)];
  }

  #indexOf(high: number): number {
    return ((high >>> 0) * this.#segmentsPerHigh) | 0;
  }

  /** Writes the segments of the fingerprints into `#locked`, in ascending order, each once. */
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
