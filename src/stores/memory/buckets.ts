import type { BucketDemand, BucketStore, Budget, BudgetScope, TakeOutcome } from "../../core/ports.ts";
import { capacityMs, intervalMs } from "../token-bucket.ts";
import { ExpiringTable, NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";

export interface MemoryBucketOptions {
  /** Buckets held at once that are not full; 41 bytes each. */
  readonly entriesMax: number;
  /** 16 secret bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

/** When to come back, where there is no room for a new bucket: others fill up, and so make room, all the time. */
const NO_ROOM_RETRY_MS = 1000;

/**
 * Token buckets in this process's memory, by the generic cell rate algorithm (ITU-T I.371, "virtual scheduling"): a bucket is the one
 * time at which it is full again. A bucket that is full is no different from one never seen, so it expires by itself.
 *
 * A new bucket for which there is no room gives no token (retry in a second). Two keys whose fingerprints collide share a bucket, which
 * refuses sooner. A clock that steps back finds buckets that are emptier than empty: they count as empty from then on, so nothing is
 * gained by it and nobody waits longer than for an empty bucket.
 */
export class MemoryBucketStore implements BucketStore {
  readonly #table: ExpiringTable;
  readonly #fingerprint: Fingerprint;
  /** The fingerprints of the `take` under way. */
  readonly #lows: number[] = [];
  readonly #highs: number[] = [];
  /** What it has changed, and from what: to be put back, last first, where a demand is refused. */
  readonly #changedSlots: number[] = [];
  readonly #changedFromMs: number[] = [];

  constructor(options: MemoryBucketOptions) {
    this.#table = new ExpiringTable(options.entriesMax);
    this.#fingerprint = new Fingerprint(options.seed ?? randomSeed());
  }

  /** Buckets held, and full ones not yet reused. */
  get entries(): number {
    return this.#table.occupied;
  }

  take(demands: readonly BucketDemand[], nowMs: number, onShadowRefusal?: (scope: BudgetScope) => void): TakeOutcome {
    this.#locate(demands);
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
    this.#locate([demand]);
    const slot = this.#claim(0, nowMs);
    if (slot === NO_SLOT) return { refusedBy: demand.scope, retryAfterMs: NO_ROOM_RETRY_MS };
    const fullAtMs = this.#fullAtMs(slot, demand.budget, nowMs);
    // The clock stepped back. Kept even here, or a bucket that is only ever looked at would never fill.
    if (fullAtMs !== this.#table.expiryMs(slot)) this.#table.setExpiry(slot, fullAtMs);
    const waitMs = waitAfterSpending(spent(fullAtMs, demand.budget, nowMs, tokens), demand.budget, nowMs);
    return waitMs === 0 ? true : { refusedBy: demand.scope, retryAfterMs: Math.ceil(waitMs) };
  }

  /** Sets a bucket to what another store knows of it: how long it takes until it is full again. */
  learn(demand: BucketDemand, fullInMs: number, nowMs: number): void {
    this.#locate([demand]);
    const slot = this.#claim(0, nowMs);
    // Expiry 0 gives the slot back: a full bucket need not be kept.
    if (slot !== NO_SLOT) this.#table.setExpiry(slot, fullInMs > 0 ? nowMs + fullInMs : 0);
  }

  /** All fingerprints come first, and then all loads: one after the other, each would wait for memory by itself. */
  #locate(demands: readonly BucketDemand[]): void {
    let index = 0;
    for (const demand of demands) {
      this.#fingerprint.take(demand.scope, demand.key);
      this.#lows[index] = this.#fingerprint.low;
      this.#highs[index++] = this.#fingerprint.high;
    }
    for (let at = 0; at < index; at++) this.#table.preload(this.#lows[at] ?? 0);
  }

  /** Each for itself, when all others have been met. */
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

  /** Takes a token, on credit where the bucket has none, and answers how long it would have had to wait for one. */
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

  /** When the bucket is full again: no later than an empty one, even if the clock stepped back, unless tokens were just taken on credit. */
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

/** When a bucket is full again from which so many tokens more are taken now. */
function spent(fullAtMs: number, budget: Budget, nowMs: number, tokens = 1): number {
  return Math.max(fullAtMs, nowMs) + tokens * intervalMs(budget);
}

/** How long too early the token was taken; 0 where it was there. */
function waitAfterSpending(fullAtMs: number, budget: Budget, nowMs: number): number {
  return Math.max(0, fullAtMs - capacityMs(budget) - nowMs);
}
