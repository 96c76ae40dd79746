import { hostname } from "node:os";
import { CheckpointFile } from "../backend/feed/checkpoint-file.ts";
import { PushFeed } from "../backend/feed/push-feed.ts";
import { openPushLink } from "../backend/feed/push-transport.ts";
import type { GatewayConfig } from "../config/rules.ts";
import type { Clock } from "../core/clock.ts";
import type { PushFeedSink } from "../core/events.ts";
import type { Revocations } from "../core/revocations.ts";
import type { Log } from "../core/telemetry.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import type { HistoryFill } from "./history-fill.ts";

interface FeedParts {
  readonly sink: PushFeedSink;
  readonly fill: HistoryFill;
  readonly revocations: Revocations;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  /** Called when the push feed comes up or goes down. */
  readonly onStateChange: (isUp: boolean) => void;
}

/** Creates the push feed, which delivers events and revocations to the hub. */
export function openFeed(config: GatewayConfig, parts: FeedParts): PushFeed {
  const { fill, revocations, log, metrics, clock, onStateChange } = parts;
  const sink = fill.watch(parts.sink);
  // Event streams that open before the push feed first comes up may miss events. So the gateway reports a gap when the feed
  // first comes up.
  // No report is needed if the feed has already reported a gap, or if it starts at a stored cursor.
  let hadGap = fill.startCursor !== "";
  const gap = () => {
    hadGap = true;
    sink.gap();
  };
  const { "push.url": url, "push.protocol": protocol, "backend.token": token } = config;
  return new PushFeed({
    link: openPushLink({ url, protocol, token, pingIntervalMs: config["push.ping_ms"], log }),
    gatewayId: config["push.gateway_id"] ?? hostname(),
    sink: { ...sink, gap },
    startCursor: fill.startCursor,
    silenceMs: config["push.silence_ms"],
    onStateChange(up) {
      revocations.feedChanged(up);
      if (up) fill.feedUp();
      if (up && !hadGap) gap();
      onStateChange(up);
    },
    backoffMinMs: config["push.backoff_min_ms"],
    backoffMaxMs: config["push.backoff_max_ms"],
    clock,
    random: Math.random,
    log,
    metrics,
  });
}

/** Returns the store of the checkpoint; `undefined` if `history.checkpoint_file` is not set. */
export function checkpointFile(config: GatewayConfig, { clock, log }: Pick<FeedParts, "clock" | "log">) {
  const path = config["history.checkpoint_file"];
  const options = { url: config["push.url"], ageMs: config["history.age_ms"], clock, log };
  return path === undefined ? undefined : new CheckpointFile({ path, ...options });
}

/**
 * Returns the reasons why the gateway is not ready. Checks only the push feed. The list is empty if there are none.
 *
 * `areRevocationsArriving` is false if the push feed has been down for longer than `push.grace_ms`.
 */
export function feedNotReady(feed: Pick<PushFeed, "hasBeenUp">, areRevocationsArriving: boolean): string[] {
  if (!feed.hasBeenUp()) return ["the push feed has not come up yet"];
  return areRevocationsArriving ? [] : ["the push feed is down"];
}
