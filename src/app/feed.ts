import { hostname } from "node:os";
import { PushFeed } from "../backend/feed/push-feed.ts";
import { openPushLink } from "../backend/feed/push-transport.ts";
import type { GatewayConfig } from "../config/rules.ts";
import type { Clock } from "../core/clock.ts";
import type { PushFeedSink } from "../core/events.ts";
import type { Revocations } from "../core/revocations.ts";
import type { Log } from "../core/telemetry.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";

interface FeedParts {
  readonly sink: PushFeedSink;
  readonly revocations: Revocations;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  /** Called when the push feed comes up or goes down. */
  readonly onStateChange: () => void;
}

/** Creates the push feed, which delivers events and revocations to the hub. */
export function openFeed(config: GatewayConfig, parts: FeedParts): PushFeed {
  const { sink, revocations, log, metrics, clock, onStateChange } = parts;
  // Clients may open event streams before the push feed is up for the first time. These streams may miss events. So the gateway
  // reports a gap when the feed first comes up, unless the feed has already reported one.
  let hadGap = false;
  const gap = () => {
    hadGap = true;
    sink.gap();
  };
  const { "push.url": url, "push.protocol": protocol, "backend.token": token } = config;
  return new PushFeed({
    link: openPushLink({ url, protocol, token, pingIntervalMs: config["push.ping_ms"], log }),
    gatewayId: config["push.gateway_id"] ?? hostname(),
    sink: { ...sink, gap },
    silenceMs: config["push.silence_ms"],
    onStateChange(up) {
      revocations.feedChanged(up);
      if (up && !hadGap) gap();
      onStateChange();
    },
    backoffMinMs: config["push.backoff_min_ms"],
    backoffMaxMs: config["push.backoff_max_ms"],
    clock,
    random: Math.random,
    log,
    metrics,
  });
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
