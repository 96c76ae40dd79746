import type { ReplayStore } from "../core/admission.ts";
import type { Backend } from "../core/backend.ts";
import type { BucketStore, Budget, BudgetScope, VerifiedPeers } from "../core/buckets.ts";
import type { Clock } from "../core/clock.ts";
import type { Signer } from "../core/keys.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { SessionDirectory } from "../core/sessions.ts";
import type { FailurePermits } from "./failure-permits.ts";

/** The budgets of proto/README.md, "Budgets", that the pipeline spends. A reload replaces them. A route carries its own budget. */
export interface PipelineBudgets {
  ip: Budget;
  session: Budget;
  user: Budget;
  failures: Budget;
}

export interface FreshnessOptions {
  /** Maximum difference between a timestamp and the gateway's clock. */
  readonly windowMs: number;
  /** Time for which a reservation outlives the window. */
  readonly marginMs: number;
}

/** All dependencies of the pipeline. */
export interface PipelinePorts {
  readonly sessions: SessionDirectory;
  readonly replay: ReplayStore;
  /** Requests signed before this are refused, because their reservations may be lost. `-Infinity` if none are. */
  readonly replayCoverageStartMs: number;
  /** The buckets of verified callers. */
  readonly buckets: BucketStore;
  /** The failure buckets. They are separate so that failing callers cannot evict the buckets of verified callers. */
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
