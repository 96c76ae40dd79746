import { describeCause } from "../../core/cause.ts";
import type { PushFeedSink } from "../../core/events.ts";
import type { Log, LogFields, Metrics } from "../../core/telemetry.ts";
import { GapThrottle } from "./gap-throttle.ts";
import type { Dropped, PushStep } from "./push-event.ts";
import { problemOf } from "./push-rules.ts";

export interface PushDeliveryParts {
  readonly sink: PushFeedSink;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Passes the messages of a push source to the `PushFeedSink`. Counts each message. Reports each message that is dropped. */
export class PushDelivery {
  readonly #parts: PushDeliveryParts;
  readonly #gaps = new GapThrottle(() => this.reportGap());

  constructor(parts: PushDeliveryParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#gaps.stop();
  }

  dispatch(step: PushStep, cursor: string | undefined): void {
    const { sink, metrics } = this.#parts;
    if (step.kind === "dropped") this.#drop(step, cursor);
    else metrics.count("sallyport_events_total", { kind: step.kind });
    if (step.kind === "client_event") this.#deliver("event", () => sink.event(step.event, cursor));
    if (step.kind === "session_invalidation") this.#deliver("revoke", () => sink.revoke(step.revocation, cursor));
    if (step.kind === "keepalive" && cursor !== undefined) this.#deliver("cursor", () => sink.reached(cursor));
  }

  reportGap(): void {
    this.#parts.metrics.count("sallyport_push_feed_gaps_total");
    this.attempt("gap", () => this.#parts.sink.gap());
  }

  /** Calls `deliver`. Returns `true` on success. If `deliver` throws, logs and counts the error and returns `false`. */
  attempt(delivery: string, deliver: () => void): boolean {
    const { log, metrics } = this.#parts;
    try {
      deliver();
      return true;
    } catch (thrown) {
      log.error("push feed delivery failed", { operation: delivery, cause: describeCause(thrown) });
      metrics.count("sallyport_events_dropped_total", { reason: "delivery_failed" });
      return false;
    }
  }

  #drop(step: Dropped, cursor: string | undefined): void {
    const { sink, metrics, log } = this.#parts;
    const { reason, lostTo, lost } = step;
    log.error("push feed message dropped", { reason, cursor, ...fieldsOf(step) });
    metrics.count("sallyport_events_dropped_total", { reason });
    if (lostTo === "everybody") this.#gaps.request();
    else if (lostTo !== undefined) this.#deliver("lost", () => sink.lost(lostTo, lost, cursor));
  }

  /**
   * Calls `deliver`, which passes an event, a revocation, a cursor or a loss report to the `PushFeedSink`. If `deliver` throws,
   * reports a gap.
   */
  #deliver(what: string, deliver: () => void): void {
    if (!this.attempt(what, deliver)) this.#gaps.request();
  }
}

/** Only field names of this form are logged. Any other name may be a part of a payload, and payloads are never logged. */
const FIELD_NAME = /^[A-Za-z_]{1,64}$/;

/** Returns the log fields that identify a dropped message and the rule that it breaks. */
function fieldsOf({ reason, lost, lostTo, eventType, eventId, problem = problemOf(reason) }: Dropped): LogFields {
  const { userId, deviceSessionId } = typeof lostTo === "object" ? lostTo : { userId: "", deviceSessionId: "" };
  return {
    kind: lost,
    user_id: userId || undefined,
    device_session_id: deviceSessionId || undefined,
    event_type: eventType,
    event_id: eventId || undefined,
    field: problem.field !== undefined && FIELD_NAME.test(problem.field) ? problem.field : undefined,
    rule: problem.message === reason ? undefined : problem.message,
  };
}
