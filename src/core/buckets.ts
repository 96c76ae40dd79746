/**
 * What a budget applies to. The metadata of a RATE_LIMITED refusal contains the scope. For the scope
 * `session_failures`, the metadata contains `failures` instead.
 */
export type BudgetScope =
  | "ip"
  | "session"
  | "user"
  | "message_type"
  | "failures"
  | "session_failures"
  | "public_class"
  | "public_route"
  | "public_identity";

/**
 * The rate and burst of a token bucket. The bucket holds at most `burst` tokens and gains `ratePerSecond` tokens a second. Both
 * numbers are above 0.
 */
export interface Budget {
  readonly ratePerSecond: number;
  readonly burst: number;
  /** Shadow mode: tokens are taken and empty buckets are reported, but no request is refused. */
  readonly shadow?: boolean | undefined;
}

/** A demand for one token of one bucket. */
export interface BucketDemand {
  readonly scope: BudgetScope;
  /** The owner of the bucket within the scope, such as a user id. */
  readonly key: string;
  readonly budget: Budget;
}

/** The result of `take` or `check`. `true` means that every demand was met. */
export type TakeOutcome = true | TakeRefusal;

/** The scope of the first demand that was refused, and the delay until all demands could be met. */
export interface TakeRefusal {
  readonly refusedBy: BudgetScope;
  readonly retryAfterMs: number;
  /** The store's error, if an error caused the refusal. `undefined` if a bucket was empty or the store was full. */
  readonly cause?: unknown;
}

/**
 * Token buckets. A bucket that was never used holds all its tokens.
 *
 * - `take` first handles the demands that are not in shadow mode. Either it takes a token for each of them, or it takes none.
 * - If all these demands are met, `take` then handles each shadow demand separately. For an empty bucket, it calls
 *   `onShadowRefusal` and refuses nothing.
 * - `spend` takes a token from each bucket that has one, and refuses nothing. It charges for what has already happened.
 * - `check` returns `true` if the bucket holds `tokens` tokens (1 by default). It is synchronous and takes no token.
 *
 * `nowMs` is the time on the caller's clock. A store evicts only buckets that hold all their tokens. A full store refuses
 * demands that need a new bucket.
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
 * Stores which sessions were recently verified, and from which network. The failure budget of a network does not refuse the
 * sessions that were recently verified from this network.
 *
 * The number of entries is bounded. An entry may be lost before its time to live ends, but is never kept longer.
 */
export interface VerifiedPeers {
  remember(peerNetwork: string, deviceSessionId: string, nowMs: number): void;
  has(peerNetwork: string, deviceSessionId: string, nowMs: number): boolean;
  /** Whether any session was recently verified from this network. */
  hasAny(peerNetwork: string, nowMs: number): boolean;
}
