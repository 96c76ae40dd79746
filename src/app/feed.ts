import { hostname } from "node:os";
import { CheckpointFile, isForeignFile } from "../backend/feed/checkpoint-file.ts";
import { PushFeed } from "../backend/feed/push-feed.ts";
import { openPushLink } from "../backend/feed/push-transport.ts";
import type { GatewayConfig } from "../config/rules.ts";
import { unusedSetting } from "../config/rules-push.ts";
import { setAside } from "../core/file-problem.ts";
import type { PushSource } from "../core/push-source.ts";
import type { FeedParts, OpenedFeed } from "./feed-parts.ts";
import { openHttpSource } from "./http-source.ts";
import { openRedisSource } from "./redis-source.ts";

/** Creates the push source, which delivers events and revocations to the hub. Throws `ConfigError` and `ListenError`. */
export function openFeed(config: GatewayConfig, parts: FeedParts): OpenedFeed {
  const { fill, revocations } = parts;
  const onStateChange = (isUp: boolean) => {
    revocations.feedChanged(isUp);
    if (isUp) fill.feedUp();
    parts.onStateChange(isUp);
  };
  const wired = { ...parts, sink: fill.watch(parts.sink), onStateChange };
  if (config["push.source"] === "http") return openHttpSource(config, wired);
  if (config["push.source"] === "redis") return openRedisSource(config, wired);
  return { source: openPushFeed(config, wired), listener: undefined };
}

/** Creates the push source that reads a stream of the backend's Push service. */
function openPushFeed(config: GatewayConfig, parts: FeedParts): PushSource {
  const { fill, sink, log, metrics, clock, onStateChange, backendToken: token } = parts;
  // Event streams that open before the push feed first comes up may miss events. So the gateway reports a gap when the feed
  // first comes up, unless the feed has already reported one. If the feed starts at a stored cursor, it delivers the missed
  // events. Then the gateway reports no gap.
  let hadGap = fill.startCursor !== "";
  const gap = () => {
    hadGap = true;
    sink.gap();
  };
  const { "push.protocol": protocol } = config;
  return new PushFeed({
    link: openPushLink({ url: feedUrl(config), protocol, token, pingIntervalMs: config["push.ping_ms"], log }),
    gatewayId: config["push.gateway_id"] ?? hostname(),
    sink: { ...sink, gap },
    startCursor: fill.startCursor,
    silenceMs: config["push.silence_ms"],
    onStateChange(up) {
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

/** Returns `push.url`. The empty string is never used: with `push.source = feed`, `requireBackend` requires this setting. */
function feedUrl(config: GatewayConfig): string {
  return config["push.url"] ?? "";
}

/**
 * Returns the file that stores the checkpoint of the push feed; `undefined` if `history.checkpoint_file` is not set. If the setting
 * has no effect because `push.source` is not `feed`, logs a warning and returns `undefined`.
 */
export function checkpointFile(config: GatewayConfig, { clock, log }: Pick<FeedParts, "clock" | "log">) {
  const unused = unusedSetting(config);
  if (unused !== undefined) {
    log.warn("setting unused", { setting: unused.key, push_source: unused.source, reason: unused.instead });
    return undefined;
  }
  const path = config["history.checkpoint_file"];
  if (path === undefined) return undefined;
  for (const file of [path, `${path}.next`]) if (isForeignFile(file)) setAside(file, "history.checkpoint_file", log);
  return new CheckpointFile({ path, url: feedUrl(config), ageMs: config["history.age_ms"], clock, log });
}

/**
 * Checks only the push feed. Returns the reasons why the gateway is not ready, or an empty list if the push feed is ready.
 *
 * `areRevocationsArriving` is false if the push feed has been down for longer than `push.grace_ms`.
 */
export function feedNotReady(feed: Pick<PushSource, "hasBeenUp">, areRevocationsArriving: boolean): string[] {
  if (!feed.hasBeenUp()) return ["the push feed has not come up yet"];
  return areRevocationsArriving ? [] : ["the push feed is down"];
}
