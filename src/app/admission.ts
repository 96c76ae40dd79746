import { budgetsOf } from "../config/budgets.ts";
import type { Config } from "../config/schema.ts";
import type { Peer } from "../core/admission.ts";
import type { AnswerOutcome } from "../core/answers.ts";
import type { BudgetScope } from "../core/buckets.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/telemetry.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import { chargePeer, checkPeer } from "../pipeline/failure-budget.ts";
import { FailurePermits } from "../pipeline/failure-permits.ts";
import { LastingCalls } from "../pipeline/lasting-calls.ts";
import type { PeerGuard } from "../rpc/peer-guard.ts";
import type { Stores } from "../stores/open.ts";
import { pipelineOptions } from "./options.ts";

interface AdmissionParts {
  readonly stores: Stores;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
}

/**
 * Builds the parts that admit or refuse requests. The result has these fields:
 *
 * - `pipeline`: options of the pipeline, such as its stores and budgets. The backend is not included.
 * - `guard`: checks the peer of an RPC before the request is read.
 * - `publicCalls`: the budgets of public REST calls.
 * - `prepare`: prepares new budgets for a reload.
 */
export function openAdmission(config: Config, { stores, clock, log, metrics }: AdmissionParts) {
  const budgets = budgetsOf(config);
  const onShadowRefusal = (scope: BudgetScope) => {
    metrics.count("sallyport_shadow_refusals_total", { scope });
    log.info("budget exceeded in shadow mode", { scope });
  };
  const common = { budgets, onShadowRefusal, clock };
  const { sessions, replay, replayCoverageStartMs, answers, buckets, unverifiedBuckets, verifiedPeers } = stores;
  const failures = { ...common, unverifiedBuckets, verifiedPeers, failurePermits: new FailurePermits(stores.heldPermits) };
  const guard: PeerGuard<Peer> = {
    check: (peer, cost) => checkPeer(peer, cost, failures),
    charge: (peer, cost) => chargePeer(peer, cost, failures),
  };
  const commands = {
    answers,
    lastingCalls: new LastingCalls(),
    onAnswer: (outcome: AnswerOutcome) => metrics.count("sallyport_answers_total", { outcome }),
  };
  return {
    pipeline: { ...pipelineOptions(config), ...failures, ...commands, ...{ sessions, replay, replayCoverageStartMs, buckets } },
    guard,
    publicCalls: { ...common, buckets: unverifiedBuckets },
    /** See `ReloadPart.prepare`. */
    prepare(next: Config) {
      const replaced = budgetsOf(next);
      return () => void Object.assign(budgets, replaced);
    },
  };
}
