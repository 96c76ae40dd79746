import type { Clock } from "../core/clock.ts";
import type {
  Backend,
  BucketStore,
  Budget,
  BudgetScope,
  ReplayStore,
  SessionDirectory,
  Signer,
  VerifiedPeers,
} from "../core/ports.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { FailurePermits } from "./failure-permits.ts";

/** The budgets of proto/README.md, "Budgets", that the pipeline spends; they may change while it runs. A route's own comes with the route. */
export interface PipelineBudgets {
  readonly ip: Budget;
  readonly session: Budget;
  readonly user: Budget;
  readonly failures: Budget;
}

/** How far a timestamp may be from the gateway's clock, and how much longer than that a reservation is kept. */
export interface FreshnessOptions {
  readonly windowMs: number;
  readonly marginMs: number;
}

/** Everything that the pipeline asks of the world. */
export interface PipelinePorts {
  readonly sessions: SessionDirectory;
  readonly replay: ReplayStore;
  /** Requests signed before this may have been let in by somebody whose reservations are lost. `-Infinity`: there are none. */
  readonly replayCoverageStartMs: number;
  /** The buckets of verified callers. */
  readonly buckets: BucketStore;
  /** The others' own: whoever fails must not crowd out the buckets of those who do not. */
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
  /** A budget in shadow mode was empty: somebody would have been refused. */
  readonly onShadowRefusal: (scope: BudgetScope) => void;
}
