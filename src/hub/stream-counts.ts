import type { Reason } from "../core/reasons.ts";
import type { Metrics } from "../core/telemetry.ts";
import type { HubOptions } from "./options.ts";

const MS_PER_SECOND = 1000;

/** Counts the deliveries of one backend event. `receivedAtMs`: when the hub received the event, on the monotonic clock. */
export function countDeliveries(
  { clock, metrics }: Pick<HubOptions, "clock" | "metrics">,
  deliveries: number,
  receivedAtMs: number,
): void {
  metrics.count("sallyport_event_deliveries_total", undefined, deliveries);
  metrics.observe("sallyport_event_delivery_seconds", (clock.monotonic() - receivedAtMs) / MS_PER_SECOND);
}

export interface StreamEnd {
  readonly isPoll: boolean;
  /** `undefined` if the client disconnected. */
  readonly reason: Reason | undefined;
  /** Number of backend events that were dropped because the stream ended. */
  readonly undelivered: number;
}

/** Counts the backend events that a stream or a poll dropped at its end. For a stream, also counts the end by its reason. */
export function countEnd(metrics: Metrics, { isPoll, reason, undelivered }: StreamEnd): void {
  if (!isPoll) metrics.count("sallyport_streams_ended_total", { reason: reason ?? "client" });
  if (undelivered === 0) return;
  const why = reason === "SLOW_CONSUMER" ? "slow_consumer" : "stream_ended";
  metrics.count("sallyport_events_dropped_total", { reason: why }, undelivered);
}
