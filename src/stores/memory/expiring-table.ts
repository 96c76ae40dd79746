import {
  EVICTED_UNTIL_MS,
  GROUP_LANES,
  GROUP_SLOTS,
  GROUP_TIMES,
  groupOf,
  laneOf,
  OCCUPIED,
  RECLAIM_GROUP,
  slotAt,
  slotOf,
  type TableMemory,
  tableLayout,
  tableMemory,
} from "./table-memory.ts";

/** Returned instead of a slot: by `find` if the fingerprint is absent, by `claim` if the table is full. */
export const NO_SLOT = -1;

export const TABLE_ENTRIES_MAX = 100_000_000;

/**
 * Maximum load factor (occupied slots divided by all slots). A low load factor keeps searches short. A simulation with 300,000
 * entries counted the groups that a search reads:
 * - Load 0.4: on average 1.08 if the fingerprint is present, 1.14 if it is absent; at most 12.
 * - Load 0.6: on average 1.35 if the fingerprint is present, 2.5 if it is absent; at most 44.
 */
const LOAD_MAX = 0.4;
/** Maximum number of groups that `claim` searches for expired entries if the table is full. The search takes at most 5 µs. */
const RECLAIM_GROUPS_MAX = 512;
/**
 * Maximum of an overflow counter (see `TableMemory.overflowed`). In the simulation for `LOAD_MAX`, the counters reached 8. A
 * counter at the maximum never changes again. Searches then read more groups than needed, but their results stay correct.
 */
const OVERFLOWED_MAX = 255;

/** The expiry of a vacant slot. */
const VACANT = 0;

/**
 * A hash table with open addressing that maps 64-bit fingerprints to expiries.
 *
 * - It allocates all its memory once, and needs no timer.
 * - `GrowingTable` is the variant whose memory grows. `SharedTable` is the variant for several processes.
 * - It never evicts an entry before its expiry. It reuses the slots of expired entries.
 * - It has room for `entriesMax` entries. If it is full, `claim` searches some groups for expired entries. If less than 1% of
 *   all entries are expired, `claim` may find none and return `NO_SLOT`.
 * - Times are milliseconds above 0, on a clock that the caller chooses.
 *
 * The low half of a fingerprint selects its home group. Every search for the fingerprint starts there:
 *
 * - If the home group is full, a new entry goes to the next group with a free slot. The overflow counter of each full group
 *   before this slot is increased by 1.
 * - When the entry is removed, the same counters are decreased by 1 (as in Facebook's F14).
 * - A search ends at the first group whose overflow counter is 0. So nearly every search reads one cache line and one counter.
 *
 * A search does not end at a free slot. So it finds every entry, even if a slot in an earlier group has become free. A
 * fingerprint never occupies two slots, even if its entry has expired.
 *
 * A process can be killed between any two writes to shared memory. After that, the overflow counters and the number of occupied
 * slots may be too high. The order of the writes ensures that they are never too low, so no entry is lost. `recount` corrects
 * them.
 */
export class ExpiringTable {
  readonly entriesMax: number;
  readonly #lanes: Int32Array;
  readonly #times: Float64Array;
  readonly #overflowed: Uint8Array;
  readonly #state: Float64Array;
  readonly #groups: number;
  /** Factor that converts the low half of a fingerprint to the number of its home group. */
  readonly #homesPerLow: number;
  #preloaded = 0;

  /** Without `memory`, the table uses new memory that only this process uses. */
  constructor(entriesMax: number, memory?: TableMemory) {
    if (!Number.isInteger(entriesMax) || entriesMax < 1 || entriesMax > TABLE_ENTRIES_MAX) {
      throw new RangeError(`entriesMax must be a whole number from 1 to ${TABLE_ENTRIES_MAX}, not ${entriesMax}`);
    }
    const { lanes, times, overflowed, state } = memory ?? privateMemory(entriesMax);
    this.entriesMax = entriesMax;
    this.#lanes = lanes;
    this.#times = times;
    this.#overflowed = overflowed;
    this.#state = state;
    this.#groups = overflowed.length;
    this.#homesPerLow = overflowed.length / 2 ** 32;
  }

  /** The number of stored entries, including expired entries whose slot was not yet reused. */
  get occupied(): number {
    return this.#state[OCCUPIED] ?? 0;
  }

  /** The latest expiry of all evicted entries; 0 if no entry was evicted. */
  get evictedUntilMs(): number {
    return this.#state[EVICTED_UNTIL_MS] ?? 0;
  }

  /**
   * The number of groups whose overflow counter is above 0. A search does not end at such a group. This getter is slow: it
   * reads the counters of all groups.
   */
  get overflowedGroups(): number {
    return this.#overflowed.reduce((sum, count) => sum + Math.sign(count), 0);
  }

  /**
   * Loads the home group of a fingerprint into the CPU's cache. If you preload several fingerprints in a row, their cache
   * misses overlap.
   */
  preload(low: number): void {
    const home = this.#homeOf(low);
    this.#preloaded ^= (this.#lanes[home * GROUP_LANES] ?? 0) ^ (this.#overflowed[home] ?? 0);
  }

  /**
   * Returns the slot of a fingerprint, even if its entry has expired. Returns `NO_SLOT` if the fingerprint is absent. The slot
   * is valid until the next `claim`.
   */
  find(low: number, high: number): number {
    let group = this.#homeOf(low);
    for (let left = this.#groups; left > 0; left--) {
      const slot = this.#slotIn(group, low, high);
      if (slot !== NO_SLOT || this.#overflowed[group] === 0) return slot;
      group = this.#next(group);
    }
    return NO_SLOT;
  }

  /**
   * Returns the slot of a fingerprint, like `find`. If the fingerprint is absent, returns a vacant slot for it. The slot stays
   * vacant until `setExpiry` is called, so the next `claim` may return it too. Returns `NO_SLOT` if the table is full.
   */
  claim(low: number, high: number, nowMs: number): number {
    const found = this.find(low, high);
    if (found !== NO_SLOT) return found;
    const slot = this.#nearestFree(this.#homeOf(low), nowMs);
    this.#vacate(slot);
    if (this.occupied >= this.entriesMax && !this.#reclaim(nowMs)) return NO_SLOT;
    const lane = laneOf(slot);
    this.#lanes[lane] = low;
    this.#lanes[lane + 1] = high;
    return slot;
  }

  /** Returns the expiry of the entry in a slot; 0 if the slot is vacant. */
  expiryMs(slot: number): number {
    return this.#times[slot] ?? VACANT;
  }

  /** Sets the expiry of the entry in a slot; 0 frees the slot. */
  setExpiry(slot: number, expiresAtMs: number): void {
    const isHeld = this.#times[slot] !== VACANT;
    const willBeHeld = expiresAtMs !== VACANT;
    if (willBeHeld && !isHeld) this.#count(slot, 1);
    this.#times[slot] = expiresAtMs;
    if (isHeld && !willBeHeld) this.#count(slot, -1);
  }

  /** Counts the entries that have not expired. Reads the whole table. */
  liveAt(nowMs: number): number {
    let live = 0;
    for (let nth = 0; nth < this.#slots; nth++) if (this.expiryMs(slotAt(nth)) > nowMs) live++;
    return live;
  }

  /**
   * Copies the live entries into `other`, which must have room for them. Expired entries are not copied: `other.evictedUntilMs`
   * counts them as evicted.
   */
  copyTo(other: ExpiringTable, nowMs: number): void {
    other.#noteEviction(this.evictedUntilMs);
    for (let nth = 0; nth < this.#slots; nth++) {
      const slot = slotAt(nth);
      const expiryMs = this.expiryMs(slot);
      if (expiryMs > nowMs) {
        const lane = laneOf(slot);
        other.setExpiry(other.claim(this.#lanes[lane] ?? 0, this.#lanes[lane + 1] ?? 0, nowMs), expiryMs);
      } else other.#noteEviction(expiryMs);
    }
  }

  /** Recomputes the number of occupied slots and the overflow counters. Call it after a process was killed during a change. */
  recount(): void {
    this.#overflowed.fill(0);
    this.#state[OCCUPIED] = 0;
    for (let nth = 0; nth < this.#slots; nth++) {
      const slot = slotAt(nth);
      if (this.expiryMs(slot) !== VACANT) this.#count(slot, 1);
    }
  }

  /**
   * Frees the slots of expired entries in the next `groups` groups. Each call continues after the groups of the previous call.
   */
  vacateExpired(nowMs: number, groups: number): void {
    for (let left = Math.min(groups, this.#groups); left > 0; left--) this.#vacateNext(nowMs);
  }

  /** Removes all entries whose expiry matches. They do not count as evicted. */
  vacateWhere(matches: (expiresAtMs: number) => boolean): void {
    for (let nth = 0; nth < this.#slots; nth++) {
      const slot = slotAt(nth);
      const expiryMs = this.expiryMs(slot);
      if (expiryMs !== VACANT && matches(expiryMs)) this.setExpiry(slot, VACANT);
    }
  }

  get #slots(): number {
    return this.#groups * GROUP_SLOTS;
  }

  #homeOf(low: number): number {
    return ((low >>> 0) * this.#homesPerLow) | 0;
  }

  #next(group: number): number {
    return group + 1 === this.#groups ? 0 : group + 1;
  }

  #slotIn(group: number, low: number, high: number): number {
    const lanes = this.#lanes;
    const start = group * GROUP_LANES;
    for (let lane = start; lane < start + GROUP_SLOTS * 2; lane += 2) {
      if (lanes[lane] !== low || lanes[lane + 1] !== high) continue;
      const slot = slotOf(lane);
      if (this.#times[slot] !== VACANT) return slot;
    }
    return NO_SLOT;
  }

  /**
   * Returns the first free slot, searching from the home group on. A slot is free if it is vacant, or if its entry has expired.
   * A free slot always exists, because at most `LOAD_MAX` of the slots are occupied.
   */
  #nearestFree(home: number, nowMs: number): number {
    const times = this.#times;
    for (let group = home; ; group = this.#next(group)) {
      const start = group * GROUP_TIMES + GROUP_SLOTS;
      for (let slot = start; slot < start + GROUP_SLOTS; slot++) {
        if ((times[slot] ?? VACANT) <= nowMs) return slot;
      }
    }
  }

  /**
   * Removes expired entries from at most `RECLAIM_GROUPS_MAX` groups, until the table has room for an entry. Returns whether
   * the table has room.
   */
  #reclaim(nowMs: number): boolean {
    for (let count = 0; count < RECLAIM_GROUPS_MAX && this.occupied >= this.entriesMax; count++) {
      this.#vacateNext(nowMs);
    }
    return this.occupied < this.entriesMax;
  }

  #vacateNext(nowMs: number): void {
    const group = this.#state[RECLAIM_GROUP] ?? 0;
    const start = group * GROUP_TIMES + GROUP_SLOTS;
    for (let slot = start; slot < start + GROUP_SLOTS; slot++) {
      if (this.expiryMs(slot) <= nowMs) this.#vacate(slot);
    }
    this.#state[RECLAIM_GROUP] = this.#next(group);
  }

  #vacate(slot: number): void {
    const expiryMs = this.expiryMs(slot);
    if (expiryMs === VACANT) return;
    this.#noteEviction(expiryMs);
    this.setExpiry(slot, VACANT);
  }

  #noteEviction(expiryMs: number): void {
    if (expiryMs > this.evictedUntilMs) this.#state[EVICTED_UNTIL_MS] = expiryMs;
  }

  /**
   * Updates the counters after an entry was added (`change` is 1) or removed (`change` is -1):
   *
   * - the number of occupied slots;
   * - the overflow counters of the groups from the home group (inclusive) to the group of `slot` (exclusive).
   */
  #count(slot: number, change: 1 | -1): void {
    this.#state[OCCUPIED] = this.occupied + change;
    const ownGroup = groupOf(slot);
    let group = this.#homeOf(this.#lanes[laneOf(slot)] ?? 0);
    for (; group !== ownGroup; group = this.#next(group)) {
      const count = this.#overflowed[group] ?? 0;
      if (count < OVERFLOWED_MAX) this.#overflowed[group] = count + change;
    }
  }
}

function privateMemory(entriesMax: number): TableMemory {
  const layout = tableLayout(entriesMax, LOAD_MAX);
  return tableMemory(new ArrayBuffer(layout.byteLength), 0, layout);
}
