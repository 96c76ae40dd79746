import { hostname } from "node:os";
import { PushFeed, type PushFeedState } from "../backend/push-feed.ts";
import { openPushLink } from "../backend/push-transport.ts";
import type { WiredConfig } from "../config/check.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/ports.ts";
import type { Push } from "../hub/open.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";

interface FeedParts {
  readonly push: Push;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  /** Forgets what is known of sessions. */
  readonly forgetSessions: () => void;
  /** The feed came up or went down. */
  readonly onStateChange: () => void;
}

/** The push feed, delivering to the hub. */
export function openFeed(config: WiredConfig, parts: FeedParts): PushFeed {
  const { push, log, metrics, clock, forgetSessions, onStateChange } = parts;
  // Whoever came before the feed first stood may have missed something: also a gap, though none of the feed's.
  let stoodBefore = false;
  const gap = () => {
    stoodBefore = true;
    push.sink.gap();
  };
  const { "push.url": url, "push.protocol": protocol, "backend.token": token } = config;
  return new PushFeed({
    link: openPushLink({ url, protocol, token, pingIntervalMs: config["push.ping_ms"], log }),
    gatewayId: config["push.gateway_id"] ?? hostname(),
    sink: { ...push.sink, gap },
    silenceMs: config["push.silence_ms"],
    onStateChange({ up }, before) {
      if (up && !stoodBefore) gap();
      // What is still to come may revoke what was cached before, and is now to be trusted again.
      else if (up && !isWithinGrace(before, config["push.grace_ms"], clock)) forgetSessions();
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

/** Whether revocations arrive: the feed is up, or has been down for no longer than its grace. */
export function isTrusted(feed: PushFeed, graceMs: number, clock: Clock): boolean {
  return isWithinGrace(feed.state(), graceMs, clock);
}

function isWithinGrace(state: PushFeedState, graceMs: number, clock: Clock): boolean {
  return state.up || clock.monotonic() - state.downSinceMs <= graceMs;
}

/** What the feed has against sending traffic here. */
export function feedNotReady(feed: Pick<PushFeed, "hasBeenUp">, feedTrusted: boolean): string[] {
  if (!feed.hasBeenUp()) return ["the push feed has not come up yet"];
  return feedTrusted ? [] : ["the push feed is down"];
}
