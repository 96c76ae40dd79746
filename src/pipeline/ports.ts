import type { ReplayStore } from "../core/admission.ts";
import type { Backend } from "../core/backend.ts";
import type { BucketStore, Budget, BudgetScope, VerifiedPeers } from "../core/buckets.ts";
import type { Clock } from "../core/clock.ts";
import type { Signer } from "../core/keys.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { SessionDirectory } from "../core/sessions.ts";
import type { FailurePermits } from "./failure-permits.ts";

/**
 * The budgets that the pipeline spends (proto/README.md, "Budgets"), except the budgets of routes. A reload of the configuration
 * replaces them.
 */
export interface PipelineBudgets {
  ip: Budget;
  session: Budget;
  user: Budget;
  failures: Budget;
}

export interface FreshnessOptions {
  /** Maximum difference between the timestamp of a request and the gateway's clock. */
  readonly windowMs: number;
  /** A reservation is kept until the freshness window of its request ends, plus this margin. */
  readonly marginMs: number;
}

/** All dependencies of the pipeline. */
export interface PipelinePorts {
  readonly sessions: SessionDirectory;
  readonly replay: ReplayStore;
  /**
   * Unix time in ms. A request that was signed earlier is refused, because its reservation may be lost. `-Infinity` if no
   * reservation can be lost.
   */
  readonly replayCoverageStartMs: number;
  /** The buckets of requests that passed checks 1 to 6. */
  readonly buckets: BucketStore;
  /** The failure buckets. They are in a store of their own, so that failing clients cannot evict the buckets in `buckets`. */
  readonly unverifiedBuckets: BucketStore;
  readonly failurePermits: FailurePermits;
  readonly verifiedPeers: VerifiedPeers;
  readonly backend: Backend;
  readonly revocations: Pick<RevocationLog, "revokedSince">;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly payloadBytesMax: number;
  readonly freshness: FreshnessOptions;
  readonly budgets: PipelineBudgets;
  /** Called when a budget in shadow mode would have refused a request. */
  readonly onShadowRefusal: (scope: BudgetScope) => void;
}
