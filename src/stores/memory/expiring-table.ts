/** No slot: the answer of `find` for an absent fingerprint, and of `claim` for a full table. */
export const NO_SLOT = -1;

export const TABLE_ENTRIES_MAX = 100_000_000;

const SLOT_BYTES = 16;
/** A bucket is two neighbouring cache lines: eight fingerprints, then their eight expiries. */
const BUCKET_SLOTS = 8;
const BUCKET_LANES = 32;
const BUCKET_TIMES = 16;
/**
 * How full the table may be. While entries come and go at this load, about 1 new one in 10¹⁰ finds both of its buckets full; at 0.6 it
 * is 6 in a million (the steady state of two choices among buckets of eight; a simulation agrees).
 */
const LOAD_MAX = 0.5;
/** Buckets searched at most for an expired entry when the table is at its limit: 5 µs where there is none. */
const RECLAIM_BUCKETS_MAX = 256;

/** The expiry of a slot that holds nothing. */
const VACANT = 0;

/**
 * 64-bit fingerprints, each with the time when it expires: a hash table that allocates once, never forgets an entry before its
 * time, and needs no timer. An expired entry is a free slot to whoever meets it.
 *
 * A fingerprint lives in one of two buckets, which it names itself; a new one goes to the emptier. All 16 slots are always looked
 * at, so no entry is hidden behind a slot that became free, and a fingerprint is never in two slots, be they live or expired. An
 * operation reads four cache lines, whatever the table holds.
 *
 * Times are milliseconds above 0, all on one clock of the caller's. At most `entriesMax` entries are held. At that limit, `claim`
 * searches a stretch of the table for one that has expired; where fewer than one in a hundred have, it may refuse for all that.
 */
export class ExpiringTable {
  readonly entriesMax: number;
  readonly #lanes: Int32Array;
  readonly #times: Float64Array;
  readonly #bucketMask: number;
  #occupied = 0;
  #forgottenMs = 0;
  #reclaimBucket = 0;
  #preloaded = 0;

  constructor(entriesMax: number) {
    if (!Number.isInteger(entriesMax) || entriesMax < 1 || entriesMax > TABLE_ENTRIES_MAX) {
      throw new RangeError(`entriesMax is a whole number from 1 to ${TABLE_ENTRIES_MAX}, not ${entriesMax}`);
    }
    const buckets = 2 ** Math.max(1, Math.ceil(Math.log2(entriesMax / LOAD_MAX / BUCKET_SLOTS)));
    const memory = new ArrayBuffer(buckets * BUCKET_SLOTS * SLOT_BYTES);
    this.entriesMax = entriesMax;
    this.#lanes = new Int32Array(memory);
    this.#times = new Float64Array(memory);
    this.#bucketMask = buckets - 1;
  }

  /** Entries held, the expired ones that nothing has met yet among them. */
  get occupied(): number {
    return this.#occupied;
  }

  /** No entry was ever forgotten that would expire after this time. */
  get forgottenMs(): number {
    return this.#forgottenMs;
  }

  /** Begins to read where a fingerprint may be. Called for several in a row, their cache misses pass at the same time. */
  preload(low: number, high: number): void {
    const first = low & this.#bucketMask;
    const second = this.#secondBucket(first, high);
    this.#preloaded ^= this.#touch(first) ^ this.#touch(second);
  }

  /** The slot of a fingerprint, live or expired, or `NO_SLOT`. Good until the next `claim`. */
  find(low: number, high: number): number {
    const first = low & this.#bucketMask;
    const slot = this.#slotIn(first, low, high);
    return slot === NO_SLOT ? this.#slotIn(this.#secondBucket(first, high), low, high) : slot;
  }

  /**
   * The slot of a fingerprint, as `find` gives it, or else a vacant one that is now its own: its expiry is 0 until `setExpiry`.
   * `NO_SLOT` where the table is full.
   */
  claim(low: number, high: number, nowMs: number): number {
    const found = this.find(low, high);
    if (found !== NO_SLOT) return found;
    const slot = this.#freeSlot(this.#emptierBucket(low, high, nowMs), nowMs);
    if (slot === NO_SLOT) return NO_SLOT;
    this.#vacate(slot);
    if (!this.#reclaim(nowMs)) return NO_SLOT;
    const lane = laneOf(slot);
    this.#lanes[lane] = low;
    this.#lanes[lane + 1] = high;
    return slot;
  }

  /** When the entry in a slot expires; 0 where it was claimed and not yet set. */
  expiryMs(slot: number): number {
    return this.#times[slot] ?? VACANT;
  }

  /** Sets when the entry in a slot expires; 0 gives the slot back. */
  setExpiry(slot: number, expiresAtMs: number): void {
    if (this.#times[slot] === VACANT) this.#occupied++;
    if (expiresAtMs === VACANT) this.#occupied--;
    this.#times[slot] = expiresAtMs;
  }

  #secondBucket(first: number, high: number): number {
    const second = high & this.#bucketMask;
    return second === first ? first ^ 1 : second;
  }

  #touch(bucket: number): number {
    const start = bucket * BUCKET_LANES;
    return (this.#lanes[start] ?? 0) ^ (this.#lanes[start + BUCKET_LANES / 2] ?? 0);
  }

  #slotIn(bucket: number, low: number, high: number): number {
    const lanes = this.#lanes;
    const start = bucket * BUCKET_LANES;
    for (let lane = start; lane < start + BUCKET_SLOTS * 2; lane += 2) {
      if (lanes[lane] !== low || lanes[lane + 1] !== high) continue;
      const slot = slotOf(lane);
      if (this.#times[slot] !== VACANT) return slot;
    }
    return NO_SLOT;
  }

  #emptierBucket(low: number, high: number, nowMs: number): number {
    const first = low & this.#bucketMask;
    const second = this.#secondBucket(first, high);
    return this.#liveIn(first, nowMs) <= this.#liveIn(second, nowMs) ? first : second;
  }

  #liveIn(bucket: number, nowMs: number): number {
    const times = this.#times;
    const start = bucket * BUCKET_TIMES + BUCKET_SLOTS;
    let live = 0;
    for (let slot = start; slot < start + BUCKET_SLOTS; slot++) live += Number((times[slot] ?? VACANT) > nowMs);
    return live;
  }

  #freeSlot(bucket: number, nowMs: number): number {
    const times = this.#times;
    const start = bucket * BUCKET_TIMES + BUCKET_SLOTS;
    for (let slot = start; slot < start + BUCKET_SLOTS; slot++) {
      if ((times[slot] ?? VACANT) <= nowMs) return slot;
    }
    return NO_SLOT;
  }

  /** Searches the next stretch of the table for expired entries until there is room. Whether there is. */
  #reclaim(nowMs: number): boolean {
    for (let count = 0; count < RECLAIM_BUCKETS_MAX && this.#occupied >= this.entriesMax; count++) {
      const start = this.#reclaimBucket * BUCKET_TIMES + BUCKET_SLOTS;
      for (let slot = start; slot < start + BUCKET_SLOTS; slot++) {
        if (this.expiryMs(slot) <= nowMs) this.#vacate(slot);
      }
      this.#reclaimBucket = (this.#reclaimBucket + 1) & this.#bucketMask;
    }
    return this.#occupied < this.entriesMax;
  }

  #vacate(slot: number): void {
    const expiryMs = this.expiryMs(slot);
    if (expiryMs === VACANT) return;
    if (expiryMs > this.#forgottenMs) this.#forgottenMs = expiryMs;
    this.#times[slot] = VACANT;
    this.#occupied--;
  }
}

/** Where the fingerprint of a slot begins. Slots are numbered by where their expiry lies: one line behind the lanes. */
function laneOf(slot: number): number {
  return (slot - BUCKET_SLOTS) * 2;
}

function slotOf(lane: number): number {
  return lane / 2 + BUCKET_SLOTS;
}
