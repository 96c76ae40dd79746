import { describeCause } from "../../core/cause.ts";
import type { PushFeedSink } from "../../core/events.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";
import { GapThrottle } from "./gap-throttle.ts";
import type { Dropped, PushStep } from "./push-event.ts";

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

  #drop({ reason, lostTo, lost }: Dropped, cursor: string | undefined): void {
    const { sink, metrics, log } = this.#parts;
    log.error("push feed message dropped", { reason });
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
