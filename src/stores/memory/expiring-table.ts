/** No slot: the answer of `find` for an absent fingerprint, and of `claim` for a full table. */
export const NO_SLOT = -1;

export const TABLE_ENTRIES_MAX = 100_000_000;

const SLOT_BYTES = 16;
/** A bucket is one cache line: four fingerprints, then their four expiries. */
const BUCKET_SLOTS = 4;
const BUCKET_LANES = 16;
const BUCKET_TIMES = 8;
/**
 * How full the table may be. While entries come and go at this load, a search reads 1.14 buckets for a fingerprint that is absent and
 * 1.08 for one that is there, and 12 at most (a simulation of 300,000 entries); at 0.6 it would be 2.5, 1.35 and 44.
 */
const LOAD_MAX = 0.4;
/** Buckets searched at most for an expired entry when the table is at its limit: 5 µs where there is none. */
const RECLAIM_BUCKETS_MAX = 512;
/**
 * As far as it is counted how many entries passed a bucket; the simulation saw 8. A bucket that so many passed counts as passed for
 * ever, which costs time and loses nothing.
 */
const PASSED_MAX = 255;

/** The expiry of a slot that holds nothing. */
const VACANT = 0;

/**
 * 64-bit fingerprints, each with the time when it expires: a hash table that allocates once, never forgets an entry before its
 * time, and needs no timer. An expired entry is a free slot to whoever meets it.
 *
 * A fingerprint lives in the bucket that it names, its home, or in the nearest behind it that had room. Every bucket counts the entries
 * that passed it so, and a search ends where none did: nearly always after one cache line and one count, whatever the table holds. When
 * such an entry goes, it is uncounted (as in Facebook's F14), so a table that has been crowded is fast again. No entry is hidden behind a
 * slot that became free, and a fingerprint is never in two slots, be they live or expired.
 *
 * Times are milliseconds above 0, all on one clock of the caller's. At most `entriesMax` entries are held, and for so many there is
 * always room, wherever they want to live. At that limit, `claim` searches a stretch of the table for one that has expired; where
 * fewer than one in a hundred have, it may refuse for all that.
 */
export class ExpiringTable {
  readonly entriesMax: number;
  readonly #lanes: Int32Array;
  readonly #times: Float64Array;
  /** How many entries live behind each bucket because it was full. */
  readonly #passed: Uint8Array;
  readonly #buckets: number;
  readonly #homesPerLow: number;
  #occupied = 0;
  #forgottenMs = 0;
  #reclaimBucket = 0;
  #preloaded = 0;

  constructor(entriesMax: number) {
    if (!Number.isInteger(entriesMax) || entriesMax < 1 || entriesMax > TABLE_ENTRIES_MAX) {
      throw new RangeError(`entriesMax is a whole number from 1 to ${TABLE_ENTRIES_MAX}, not ${entriesMax}`);
    }
    const buckets = Math.ceil(entriesMax / LOAD_MAX / BUCKET_SLOTS);
    const memory = new ArrayBuffer(buckets * BUCKET_SLOTS * SLOT_BYTES);
    this.entriesMax = entriesMax;
    this.#lanes = new Int32Array(memory);
    this.#times = new Float64Array(memory);
    this.#passed = new Uint8Array(new ArrayBuffer(buckets));
    this.#buckets = buckets;
    this.#homesPerLow = buckets / 2 ** 32;
  }

  /** Entries held, the expired ones that nothing has met yet among them. */
  get occupied(): number {
    return this.#occupied;
  }

  /** No entry was ever forgotten that would expire after this time. */
  get forgottenMs(): number {
    return this.#forgottenMs;
  }

  /** How many buckets were passed, so that searches go on behind them. Reads a byte for each bucket: not for every request. */
  get passedBuckets(): number {
    return this.#passed.reduce((sum, count) => sum + Math.sign(count), 0);
  }

  /** Begins to read where a fingerprint may be. Called for several in a row, their cache misses pass at the same time. */
  preload(low: number): void {
    const home = this.#homeOf(low);
    this.#preloaded ^= (this.#lanes[home * BUCKET_LANES] ?? 0) ^ (this.#passed[home] ?? 0);
  }

  /** The slot of a fingerprint, live or expired, or `NO_SLOT`. Good until the next `claim`. */
  find(low: number, high: number): number {
    let bucket = this.#homeOf(low);
    for (let left = this.#buckets; left > 0; left--) {
      const slot = this.#slotIn(bucket, low, high);
      if (slot !== NO_SLOT || this.#passed[bucket] === 0) return slot;
      bucket = this.#next(bucket);
    }
    return NO_SLOT;
  }

  /**
   * The slot of a fingerprint, as `find` gives it, or else a vacant one that is now its own: its expiry is 0 until `setExpiry`.
   * `NO_SLOT` where the table is full.
   */
  claim(low: number, high: number, nowMs: number): number {
    const found = this.find(low, high);
    if (found !== NO_SLOT) return found;
    const slot = this.#nearestFree(this.#homeOf(low), nowMs);
    this.#vacate(slot);
    if (this.#occupied >= this.entriesMax && !this.#reclaim(nowMs)) return NO_SLOT;
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
    const isHeld = this.#times[slot] !== VACANT;
    this.#times[slot] = expiresAtMs;
    if (isHeld !== (expiresAtMs !== VACANT)) this.#count(slot, isHeld ? -1 : 1);
  }

  /** The bucket that a fingerprint names: its low half, scaled to the number of buckets. */
  #homeOf(low: number): number {
    return ((low >>> 0) * this.#homesPerLow) | 0;
  }

  #next(bucket: number): number {
    return bucket + 1 === this.#buckets ? 0 : bucket + 1;
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

  /** The nearest from home on. There is one: even at its limit, a table has more vacant slots than entries. */
  #nearestFree(home: number, nowMs: number): number {
    const times = this.#times;
    for (let bucket = home; ; bucket = this.#next(bucket)) {
      const start = bucket * BUCKET_TIMES + BUCKET_SLOTS;
      for (let slot = start; slot < start + BUCKET_SLOTS; slot++) {
        if ((times[slot] ?? VACANT) <= nowMs) return slot;
      }
    }
  }

  /** Searches the next stretch of the table for expired entries until there is room. Whether there is. */
  #reclaim(nowMs: number): boolean {
    for (let count = 0; count < RECLAIM_BUCKETS_MAX && this.#occupied >= this.entriesMax; count++) {
      const start = this.#reclaimBucket * BUCKET_TIMES + BUCKET_SLOTS;
      for (let slot = start; slot < start + BUCKET_SLOTS; slot++) {
        if (this.expiryMs(slot) <= nowMs) this.#vacate(slot);
      }
      this.#reclaimBucket = this.#next(this.#reclaimBucket);
    }
    return this.#occupied < this.entriesMax;
  }

  #vacate(slot: number): void {
    const expiryMs = this.expiryMs(slot);
    if (expiryMs === VACANT) return;
    if (expiryMs > this.#forgottenMs) this.#forgottenMs = expiryMs;
    this.setExpiry(slot, VACANT);
  }

  /** One entry more or less: in all, and at every bucket that it passed on its way from home to this slot. */
  #count(slot: number, change: 1 | -1): void {
    this.#occupied += change;
    const bucket = bucketOf(slot);
    let passed = this.#homeOf(this.#lanes[laneOf(slot)] ?? 0);
    for (; passed !== bucket; passed = this.#next(passed)) {
      const count = this.#passed[passed] ?? 0;
      if (count < PASSED_MAX) this.#passed[passed] = count + change;
    }
  }
}

/** Where the fingerprint of a slot begins. Slots are numbered by where their expiry lies: half a line behind the lanes. */
function laneOf(slot: number): number {
  return (slot - BUCKET_SLOTS) * 2;
}

function slotOf(lane: number): number {
  return lane / 2 + BUCKET_SLOTS;
}

function bucketOf(slot: number): number {
  return Math.floor(slot / BUCKET_TIMES);
}
