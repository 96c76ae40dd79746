import type { Clock } from "../core/clock.ts";
import type { Backend, BucketStore, Budget, ReplayStore, SessionDirectory, VerifiedPeers } from "../core/ports.ts";

/** The budgets of proto/README.md, "Budgets", that the pipeline spends. A route's own comes with the route. */
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
  readonly buckets: BucketStore;
  readonly verifiedPeers: VerifiedPeers;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly payloadBytesMax: number;
  readonly freshness: FreshnessOptions;
  readonly budgets: PipelineBudgets;
}
