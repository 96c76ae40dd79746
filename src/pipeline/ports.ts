import type { ReplayStore } from "../core/admission.ts";
import type { AnswerOutcome, AnswerStore } from "../core/answers.ts";
import type { Backend } from "../core/backend.ts";
import type { BucketStore, Budget, BudgetScope, VerifiedPeers } from "../core/buckets.ts";
import type { Clock } from "../core/clock.ts";
import type { Signer } from "../core/keys.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { SessionDirectory } from "../core/sessions.ts";
import type { FailurePermits } from "./failure-permits.ts";
import type { LastingCalls } from "./lasting-calls.ts";

/**
 * The budgets of the pipeline (proto/README.md, "Budgets"), except the budgets of routes. A reload of the configuration
 * replaces these budgets.
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
  /** How long a reservation is kept after the freshness window of its request has ended. */
  readonly marginMs: number;
}

export interface PipelinePorts {
  readonly sessions: SessionDirectory;
  readonly replay: ReplayStore;
  /**
   * A Unix time in ms. A request that was signed earlier is refused, because its reservation may be lost. `-Infinity` if no
   * reservation can be lost.
   */
  readonly replayCoverageStartMs: number;
  /** The store of the buckets for requests that passed checks 1 to 6. */
  readonly buckets: BucketStore;
  /**
   * The store of the failure buckets. It is separate from `buckets`, so that failing clients cannot evict the buckets of
   * verified requests.
   */
  readonly unverifiedBuckets: BucketStore;
  readonly failurePermits: FailurePermits;
  readonly verifiedPeers: VerifiedPeers;
  readonly answers: AnswerStore;
  readonly lastingCalls: LastingCalls;
  readonly backend: Backend;
  readonly revocations: Pick<RevocationLog, "revokedSince">;
  readonly signer: Signer;
  readonly clock: Clock;
  /** Maximum size of a payload. A reload of the configuration replaces it. */
  payloadBytesMax: number;
  readonly freshness: FreshnessOptions;
  readonly budgets: PipelineBudgets;
  /** Called when a request passes only because a budget is in shadow mode. */
  readonly onShadowRefusal: (scope: BudgetScope) => void;
  /** Called with the outcome of a request that has an idempotency key and whose route keeps answers. */
  readonly onAnswer: (outcome: AnswerOutcome) => void;
}
