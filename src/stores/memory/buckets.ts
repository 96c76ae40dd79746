import type { BucketDemand, BucketStore, Budget, BudgetScope, TakeOutcome } from "../../core/buckets.ts";
import { capacityMs, intervalMs } from "../token-bucket.ts";
import { NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";
import { GrowingTable } from "./growing-table.ts";

export interface MemoryBucketOptions {
  /** Capacity: buckets that are not full. up to 62 bytes each. */
  readonly entriesMax: number;
  /** 16 secret bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

/** Retry delay if the table has no room for a new bucket. Buckets that become full make room continuously. */
const NO_ROOM_RETRY_MS = 1000;

/**
 * Token buckets in this process's memory, by the generic cell rate algorithm (ITU-T I.371, "virtual scheduling"). A bucket is stored as the
 * time at which it is full again. A full bucket equals one that was never seen, so it expires.
 *
 * If the table has no room for a new bucket, the demand is refused (retry in a second). Two keys whose fingerprints collide share a
 * bucket, which refuses earlier. After the clock was set back, a bucket's time may lie beyond that of an empty bucket; it then counts as
 * empty. So a clock step gives no tokens, and the longest wait is that for an empty bucket.
 */
export class MemoryBucketStore implements BucketStore {
  readonly #table: GrowingTable;
  readonly #fingerprint: Fingerprint;
  /** The fingerprints of the current call. */
  readonly #lows: number[] = [];
  readonly #highs: number[] = [];
  /** Undo log of the current `take`: the changed slots and their times before. Rolled back, last first, if a demand is refused. */
  readonly #changedSlots: number[] = [];
  readonly #changedFromMs: number[] = [];

  constructor(options: MemoryBucketOptions) {
    this.#table = new GrowingTable(options.entriesMax);
    this.#fingerprint = new Fingerprint(options.seed ?? randomSeed());
  }

  /** Includes full buckets whose slot was not yet reused. */
  get entries(): number {
    return this.#table.occupied;
  }

  /** Frees memory. Call it every second. */
  trim(nowMs: number): void {
    this.#table.trim(nowMs);
  }

  take(demands: readonly BucketDemand[], nowMs: number, onShadowRefusal?: (scope: BudgetScope) => void): TakeOutcome {
    this.#locate(demands, nowMs);
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
    this.#locate([demand], nowMs);
    const slot = this.#claim(0, nowMs);
    if (slot === NO_SLOT) return { refusedBy: demand.scope, retryAfterMs: NO_ROOM_RETRY_MS };
    const fullAtMs = this.#fullAtMs(slot, demand.budget, nowMs);
    // The clock was set back. Without this write, a bucket that is only checked would never fill.
    if (fullAtMs !== this.#table.expiryMs(slot)) this.#table.setExpiry(slot, fullAtMs);
    const waitMs = waitAfterSpending(spent(fullAtMs, demand.budget, nowMs, tokens), demand.budget, nowMs);
    return waitMs === 0 ? true : { refusedBy: demand.scope, retryAfterMs: Math.ceil(waitMs) };
  }

  /** Copies a bucket of a shared store, given the time until it is full again. */
  learn(demand: BucketDemand, fullInMs: number, nowMs: number): void {
    this.#locate([demand], nowMs);
    const slot = this.#claim(0, nowMs);
    // Expiry 0 frees the slot: a full bucket is not stored.
    if (slot !== NO_SLOT) this.#table.setExpiry(slot, fullInMs > 0 ? nowMs + fullInMs : 0);
  }

  /** Computes all fingerprints, then preloads all slots, so that the cache misses overlap. */
  #locate(demands: readonly BucketDemand[], nowMs: number): void {
    let index = 0;
    for (const demand of demands) {
      this.#fingerprint.compute(demand.scope, demand.key);
      this.#lows[index] = this.#fingerprint.low;
      this.#highs[index++] = this.#fingerprint.high;
    }
    for (let at = 0; at < index; at++) this.#table.prepare(this.#lows[at] ?? 0, this.#highs[at] ?? 0, nowMs);
  }

  /** Takes the demands in shadow mode, each on its own, after all others were met. */
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

  /** Takes a token, on credit if the bucket is empty. Returns the wait until the token would have been there, in ms. */
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

  /** The time at which the bucket is full. At most that of an empty bucket, unless the current `take` took tokens on credit. */
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

/** The time at which a bucket is full again after `tokens` are taken now. */
function spent(fullAtMs: number, budget: Budget, nowMs: number, tokens = 1): number {
  return Math.max(fullAtMs, nowMs) + tokens * intervalMs(budget);
}

/** Wait until the taken token would have been there; 0 if it was. */
function waitAfterSpending(fullAtMs: number, budget: Budget, nowMs: number): number {
  return Math.max(0, fullAtMs - capacityMs(budget) - nowMs);
}
