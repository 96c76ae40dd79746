/** What a budget applies to. Also the `scope` of a RATE_LIMITED refusal, where `session_failures` is reported as `failures`. */
export type BudgetScope =
  | "ip"
  | "session"
  | "user"
  | "message_type"
  | "failures"
  | "session_failures"
  | "public_class"
  | "public_identity";

/** A token bucket holds at most `burst` tokens and gains `ratePerSecond`. Both are above 0. */
export interface Budget {
  readonly ratePerSecond: number;
  readonly burst: number;
  /** Shadow mode: tokens are spent and shortages reported, but no request is refused. */
  readonly shadow?: boolean | undefined;
}

/** A demand for one token of one bucket. */
export interface BucketDemand {
  readonly scope: BudgetScope;
  /** The owner of the bucket within the scope. */
  readonly key: string;
  readonly budget: Budget;
}

/** `true`: every demand was met. */
export type TakeOutcome = true | TakeRefusal;

/** The scope of the first demand that was refused, and the delay until all demands could be met. */
export interface TakeRefusal {
  readonly refusedBy: BudgetScope;
  readonly retryAfterMs: number;
  /** Why the demand was refused, unless a bucket was empty. */
  readonly cause?: unknown;
}

/**
 * Token buckets.
 *
 * - `take` is atomic: either every demand is met, or no bucket changes. A bucket that was never used is full. If the other demands are met,
 *   those in shadow mode are met one by one. A shadow bucket without a token is reported to `onShadowRefusal` and refuses nothing.
 * - `spend` records what has already happened. It takes a token if there is one, of several buckets independently.
 * - `check` returns whether the bucket has that many tokens (1 by default). It is synchronous and takes nothing.
 *
 * `nowMs` is the caller's clock. A store without room for a new bucket refuses: it never evicts a bucket that is not full.
 */
export interface BucketStore {
  take(
    demands: readonly BucketDemand[],
    nowMs: number,
    onShadowRefusal?: (scope: BudgetScope) => void,
  ): TakeOutcome | Promise<TakeOutcome>;
  spend(demands: BucketDemand | readonly BucketDemand[], nowMs: number): void | Promise<void>;
  check(demand: BucketDemand, nowMs: number, tokens?: number): TakeOutcome;
}

/**
 * Stores which sessions were recently verified from which network. An empty failure budget of a network does not lock out its verified
 * peers. Bounded; an entry may be lost before its time, and never outlives it.
 */
export interface VerifiedPeers {
  remember(peerNetwork: string, deviceSessionId: string, nowMs: number): void;
  has(peerNetwork: string, deviceSessionId: string, nowMs: number): boolean;
  /** Whether any session was verified from this network. */
  hasAny(peerNetwork: string, nowMs: number): boolean;
}
