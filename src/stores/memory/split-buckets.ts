import type { BucketDemand, BudgetScope, TakeOutcome } from "../../core/ports.ts";
import type { MemoryBucketStore } from "./buckets.ts";

/** A bucket store that another one keeps its knowledge in. */
export type NearBuckets = Pick<MemoryBucketStore, "take" | "spend" | "check" | "learn">;

/**
 * The buckets of unverified callers. Those of sessions that are exempt from the failure budget have a table of their own, which neither
 * unknown clients nor one session that calls from many addresses can fill. All demands of one `take` are of one table.
 */
export class SplitBucketStore implements NearBuckets {
  readonly #exempt: NearBuckets;
  readonly #unverified: NearBuckets;

  constructor({ exempt, unverified }: { readonly exempt: NearBuckets; readonly unverified: NearBuckets }) {
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

  #tableOf({ scope }: BucketDemand): NearBuckets {
    return scope === "session_failures" ? this.#exempt : this.#unverified;
  }
}
