/** A group is one cache line: four fingerprints (64-bit hashes), then their four expiries. */
export const GROUP_SLOTS = 4;
/** Length of a group in 32-bit words (lanes). A fingerprint takes two lanes. */
export const GROUP_LANES = 16;
/** Length of a group in 64-bit floats. An expiry takes one float. */
export const GROUP_TIMES = 8;
const CACHE_LINE_BYTES = 64;

/** Indexes into `TableMemory.state`: this constant and the next two. */
export const OCCUPIED = 0;
export const EVICTED_UNTIL_MS = 1;
export const RECLAIM_GROUP = 2;
/** Length of `TableMemory.state` in 64-bit floats. */
const STATE_FLOATS = 3;

/** The memory of a table. It may be shared by several processes. */
export interface TableMemory {
  /** The groups as 32-bit words. `lanes` and `times` are two views of the same bytes. */
  readonly lanes: Int32Array;
  /** The groups as 64-bit floats. */
  readonly times: Float64Array;
  /** The overflow counter of each group: the number of entries that are in a later group because this group was full. */
  readonly overflowed: Uint8Array;
  /**
   * Three numbers: the number of occupied slots, the latest expiry of all evicted entries, and the index of the next group to
   * search for expired entries.
   */
  readonly state: Float64Array;
}

export interface TableLayout {
  readonly groups: number;
  /** Number of bytes of the table. A multiple of 64, so that each group is in one cache line. */
  readonly byteLength: number;
}

/** Returns the layout of a table with room for `entriesMax` entries at a load factor of at most `loadMax`. */
export function tableLayout(entriesMax: number, loadMax: number): TableLayout {
  const groups = Math.ceil(entriesMax / loadMax / GROUP_SLOTS);
  const counterBytes = Math.ceil(groups / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
  return { groups, byteLength: groups * CACHE_LINE_BYTES + counterBytes + CACHE_LINE_BYTES };
}

/** Returns the memory of a table in `buffer` from `byteOffset` on. The bytes of a new table must be 0. */
export function tableMemory(buffer: ArrayBuffer, byteOffset: number, { groups }: TableLayout): TableMemory {
  const groupsAt = byteOffset + CACHE_LINE_BYTES;
  return {
    state: new Float64Array(buffer, byteOffset, STATE_FLOATS),
    lanes: new Int32Array(buffer, groupsAt, groups * GROUP_LANES),
    times: new Float64Array(buffer, groupsAt, groups * GROUP_TIMES),
    overflowed: new Uint8Array(buffer, groupsAt + groups * CACHE_LINE_BYTES, groups),
  };
}

/**
 * Returns the index in `lanes` at which the fingerprint of a slot starts. The number of a slot is the index of its expiry in
 * `times`. In each group, the expiries follow the fingerprints.
 */
export function laneOf(slot: number): number {
  return (slot - GROUP_SLOTS) * 2;
}

export function slotOf(lane: number): number {
  return lane / 2 + GROUP_SLOTS;
}

/** Returns the number of a slot (see `laneOf`). `nth` counts the slots of the table in memory order, from 0. */
export function slotAt(nth: number): number {
  return Math.floor(nth / GROUP_SLOTS) * GROUP_TIMES + GROUP_SLOTS + (nth % GROUP_SLOTS);
}

export function groupOf(slot: number): number {
  return Math.floor(slot / GROUP_TIMES);
}
