import type { Clock } from "../core/clock.ts";
import type { PushFeedSink } from "../core/events.ts";
import type { PushSource } from "../core/push-source.ts";
import type { Revocations } from "../core/revocations.ts";
import type { Log } from "../core/telemetry.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import type { Listener } from "../transport/listener.ts";
import type { HistoryFill } from "./history-fill.ts";

export interface FeedParts {
  readonly sink: PushFeedSink;
  readonly fill: HistoryFill;
  readonly revocations: Revocations;
  /** Returns the bearer token that the gateway currently sends to the backend; `undefined` if it sends none. */
  readonly backendToken: () => string | undefined;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  /** Called when the push feed comes up or goes down. */
  readonly onStateChange: (isUp: boolean) => void;
}

/** The push source, and the private listener if the source has one. */
export interface OpenedFeed {
  readonly source: PushSource;
  readonly listener: Listener | undefined;
  /** Closes the Redis connection over which the private listener publishes. Call it after `listener` and `source` are stopped. */
  readonly close?: () => Promise<void>;
}
