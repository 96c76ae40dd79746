import type { BucketDemand, BucketStore, Budget, BudgetScope, TakeOutcome } from "../../core/buckets.ts";
import type { FingerprintTable } from "../table.ts";
import { capacityMs, intervalMs } from "../token-bucket.ts";
import { NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";
import { GrowingTable } from "./growing-table.ts";

export interface MemoryBucketOptions {
  /** Maximum number of stored buckets. A bucket with all its tokens is not stored. A stored bucket takes up to 62 bytes. */
  readonly entriesMax: number;
  /** The secret seed for the fingerprints (hashes) of bucket keys, 16 bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
  /** The table of the buckets. Default: a new table in this process's memory. To share a table, set `table` and `seed`. */
  readonly table?: FingerprintTable | undefined;
}

/**
 * Retry delay of a refusal in ms, if the table is busy or has no room for a new bucket. A stored bucket frees its room when it has all its
 * tokens again.
 */
const NO_ROOM_RETRY_MS = 1000;

/** Maximum time from the call of a shared store to its reply, in ms. */
const LATE_REPLY_MS_MAX = 60_000;

/**
 * Token buckets in this process's memory, or in memory that several processes share. The algorithm is the generic cell rate
 * algorithm (ITU-T I.371, "virtual scheduling").
 *
 * A bucket is stored as its full time: the time at which it has all its tokens again. From this time on it is not stored, because
 * it equals a bucket that was never used. A demand asks for a token of one bucket.
 *
 * - If the table has no room for a new bucket, the demand is refused.
 * - If the fingerprints of two keys collide, the two keys share one bucket. Their demands are then refused earlier.
 * - If the clock was set back, a stored full time may be later than the full time of an empty bucket. Such a bucket is treated
 *   as empty. So the clock change gives it no tokens, and a demand waits at most as long as on an empty bucket.
 */
export class MemoryBucketStore implements BucketStore {
  readonly #table: FingerprintTable;
  readonly #fingerprint: Fingerprint;
  /** The fingerprints of the demands of the current call. `#lows` holds their low halves, `#highs` their high halves. */
  readonly #lows: number[] = [];
  readonly #highs: number[] = [];
  /**
   * Undo log of the current `take`: the changed slots, and their expiries before the change. If a demand is refused,
   * `#rollBack` restores these expiries, beginning with the last change.
   */
  readonly #changedSlots: number[] = [];
  readonly #changedFromMs: number[] = [];

  constructor(options: MemoryBucketOptions) {
    this.#table = options.table ?? new GrowingTable(options.entriesMax);
    this.#fingerprint = new Fingerprint(options.seed ?? randomSeed());
  }

  /** The number of stored buckets. Buckets that have all their tokens again are included until their slot is reused. */
  get entries(): number {
    return this.#table.occupied;
  }

  /**
   * Frees the memory of buckets that have all their tokens. Returns the number of freed bytes. Call this method every second.
   */
  trim(nowMs: number): number {
    return this.#table.trim(nowMs);
  }

  take(demands: readonly BucketDemand[], nowMs: number, onShadowRefusal?: (scope: BudgetScope) => void): TakeOutcome {
    const [first] = demands;
    if (first === undefined) return true;
    return this.#exclusively(demands, first.scope, nowMs, () => this.#take(demands, nowMs, onShadowRefusal));
  }

  #take(demands: readonly BucketDemand[], nowMs: number, onShadowRefusal?: (scope: BudgetScope) => void): TakeOutcome {
    let refusedBy: BudgetScope | undefined;
    let waitMs = 0;
    let index = 0;
    let hasShadow = false;
    for (const { budget, scope } of demands) {
      const at = index++;
      if (budget.shadow === true) hasShadow = true;
      else {
        const demandWaitMs = this.#spend(budget, at, nowMs);
        if (demandWaitMs > 0) refusedBy ??= scope;
        waitMs = Math.max(waitMs, demandWaitMs);
      }
    }
    if (refusedBy !== undefined) {
      this.#rollBack();
      return { refusedBy, retryAfterMs: Math.ceil(waitMs) };
    }
    this.#commit();
    if (hasShadow) this.#takeShadows(demands, nowMs, onShadowRefusal);
    return true;
  }

  spend(demands: BucketDemand | readonly BucketDemand[], nowMs: number): void {
    for (const demand of [demands].flat()) this.take([demand], nowMs);
  }

  check(demand: BucketDemand, nowMs: number, tokens = 1): TakeOutcome {
    return this.#exclusively([demand], demand.scope, nowMs, () => this.#check(demand, nowMs, tokens));
  }

  #check(demand: BucketDemand, nowMs: number, tokens: number): TakeOutcome {
    const slot = this.#claim(0, nowMs);
    if (slot === NO_SLOT) return { refusedBy: demand.scope, retryAfterMs: NO_ROOM_RETRY_MS };
    const fullAtMs = this.#fullAtMs(slot, demand.budget, nowMs);
    // The stored time differs from `fullAtMs` only if the clock was set back. `fullAtMs` must then be stored. Otherwise, a
    // bucket that is only checked would gain no tokens until the clock has caught up.
    if (fullAtMs !== this.#table.expiryMs(slot)) this.#table.setExpiry(slot, fullAtMs);
    const waitMs = waitAfterSpending(spent(fullAtMs, demand.budget, nowMs, tokens), demand.budget, nowMs);
    return waitMs === 0 ? true : { refusedBy: demand.scope, retryAfterMs: Math.ceil(waitMs) };
  }

  /**
   * Copies a bucket of a shared store into this store. `fullInMs` is the time until the bucket has all its tokens.
   *
   * Several processes copy into one table, and a reply of the shared store may reach its process late. So a copy never replaces
   * a copy with fewer tokens.
   */
  learn(demand: BucketDemand, fullInMs: number, nowMs: number): void {
    this.#exclusively([demand], demand.scope, nowMs, () => this.#learn(demand.budget, fullInMs, nowMs));
  }

  #learn(budget: Budget, fullInMs: number, nowMs: number): true {
    const slot = this.#claim(0, nowMs);
    if (slot === NO_SLOT) return true;
    // A bucket with all its tokens is not stored, so the expiry 0 frees its slot.
    const learnedMs = fullInMs > 0 ? nowMs + fullInMs : 0;
    const storedMs = this.#table.expiryMs(slot);
    const wasClockSetBack = storedMs > nowMs + capacityMs(budget) + LATE_REPLY_MS_MAX;
    this.#table.setExpiry(slot, wasClockSetBack ? learnedMs : Math.max(storedMs, learnedMs));
    return true;
  }

  /** Runs an operation on the buckets of the demands, while no other process changes them. */
  #exclusively(demands: readonly BucketDemand[], scope: BudgetScope, nowMs: number, operate: () => TakeOutcome): TakeOutcome {
    this.#fingerprintAll(demands);
    try {
      this.#table.enter(this.#highs, demands.length);
    } catch (cause) {
      return { refusedBy: scope, retryAfterMs: NO_ROOM_RETRY_MS, cause };
    }
    try {
      // All slots are loaded into the CPU's cache before the first is used, so that their cache misses overlap.
      for (let at = 0; at < demands.length; at++) this.#table.prepare(this.#lows[at] ?? 0, this.#highs[at] ?? 0, nowMs);
      return operate();
    } finally {
      this.#table.leave();
    }
  }

  #fingerprintAll(demands: readonly BucketDemand[]): void {
    let index = 0;
    for (const demand of demands) {
      this.#fingerprint.compute(demand.scope, demand.key);
      this.#lows[index] = this.#fingerprint.low;
      this.#highs[index++] = this.#fingerprint.high;
    }
  }

  /** Takes a token for each demand in shadow mode, if its bucket has one. Runs after all other demands were met. */
  #takeShadows(demands: readonly BucketDemand[], nowMs: number, onRefusal?: (scope: BudgetScope) => void): void {
    for (const [index, { budget, scope }] of demands.entries()) {
      if (budget.shadow !== true) continue;
      if (this.#spend(budget, index, nowMs) === 0) this.#commit();
      else {
        this.#rollBack();
        onRefusal?.(scope);
      }
    }
  }

  #claim(index: number, nowMs: number): number {
    return this.#table.claim(this.#lows[index] ?? 0, this.#highs[index] ?? 0, nowMs);
  }

  /**
   * Takes a token, even from an empty bucket.
   *
   * - Returns 0 if the bucket had a token.
   * - If the bucket was empty, returns the time in ms until it gains the token.
   * - If the table has no room, takes nothing and returns `NO_ROOM_RETRY_MS`.
   */
  #spend(budget: Budget, index: number, nowMs: number): number {
    const slot = this.#claim(index, nowMs);
    if (slot === NO_SLOT) return NO_ROOM_RETRY_MS;
    const beforeMs = this.#fullAtMs(slot, budget, nowMs);
    const afterMs = spent(beforeMs, budget, nowMs);
    this.#changedSlots.push(slot);
    this.#changedFromMs.push(beforeMs);
    this.#table.setExpiry(slot, afterMs);
    return waitAfterSpending(afterMs, budget, nowMs);
  }

  /**
   * Returns the full time of a bucket: the time at which it has all its tokens again. The stored time may be later than the
   * full time of an empty bucket, for two reasons:
   *
   * - The current `take` has taken more tokens than the bucket had. The result is the stored time.
   * - The clock was set back. The result is the full time of an empty bucket.
   */
  #fullAtMs(slot: number, budget: Budget, nowMs: number): number {
    const fullAtMs = this.#table.expiryMs(slot);
    const emptyMs = nowMs + capacityMs(budget);
    return fullAtMs <= emptyMs || this.#changedSlots.includes(slot) ? fullAtMs : emptyMs;
  }

  #commit(): void {
    this.#changedSlots.length = 0;
    this.#changedFromMs.length = 0;
  }

  #rollBack(): void {
    for (;;) {
      const slot = this.#changedSlots.pop();
      const fromMs = this.#changedFromMs.pop();
      if (slot === undefined || fromMs === undefined) return;
      this.#table.setExpiry(slot, fromMs);
    }
  }
}

/** Returns the time at which a bucket has all its tokens again, if `tokens` tokens are taken now. */
function spent(fullAtMs: number, budget: Budget, nowMs: number, tokens = 1): number {
  return Math.max(fullAtMs, nowMs) + tokens * intervalMs(budget);
}

/**
 * Returns the time in ms until a bucket has the tokens for a demand; 0 if it has them now. `fullAtMs` is the result of `spent`
 * for these tokens.
 */
function waitAfterSpending(fullAtMs: number, budget: Budget, nowMs: number): number {
  return Math.max(0, fullAtMs - capacityMs(budget) - nowMs);
}
