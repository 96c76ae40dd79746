import type { BucketDemand, BudgetScope, TakeOutcome } from "../../core/buckets.ts";
import type { MemoryBucketStore } from "./buckets.ts";

/** A bucket store in memory. Its method `learn` stores a local copy of a bucket that gateways share in Redis. */
export type LocalBuckets = Pick<MemoryBucketStore, "take" | "spend" | "check" | "learn">;

/**
 * Buckets for failures and public calls, in two tables:
 *
 * - `exempt` stores the buckets of the scope `session_failures`. Such a bucket belongs to a recently verified session, or to a
 *   network that has such a session.
 * - `unverified` stores all other buckets.
 *
 * So unknown clients cannot fill the table `exempt`. All demands of one `take` must belong to the same table.
 */
export class SplitBucketStore implements LocalBuckets {
  readonly #exempt: LocalBuckets;
  readonly #unverified: LocalBuckets;

  constructor({ exempt, unverified }: { readonly exempt: LocalBuckets; readonly unverified: LocalBuckets }) {
    this.#exempt = exempt;
    this.#unverified = unverified;
  }

  take(demands: readonly BucketDemand[], nowMs: number, onShadowRefusal?: (scope: BudgetScope) => void): TakeOutcome {
    const [first] = demands;
    return first === undefined || this.#tableOf(first).take(demands, nowMs, onShadowRefusal);
  }

  spend(demands: BucketDemand | readonly BucketDemand[], nowMs: number): void {
    for (const demand of [demands].flat()) this.#tableOf(demand).spend(demand, nowMs);
  }

  check(demand: BucketDemand, nowMs: number, tokens?: number): TakeOutcome {
    return this.#tableOf(demand).check(demand, nowMs, tokens);
  }

  learn(demand: BucketDemand, fullInMs: number, nowMs: number): void {
    this.#tableOf(demand).learn(demand, fullInMs, nowMs);
  }

  #tableOf({ scope }: BucketDemand): LocalBuckets {
    return scope === "session_failures" ? this.#exempt : this.#unverified;
  }
}
