import { PushDelivery } from "../backend/feed/push-delivery.ts";
import { PushState } from "../backend/feed/push-state.ts";
import { StreamPublisher } from "../backend/redis/stream-publisher.ts";
import { StreamSource } from "../backend/redis/stream-source.ts";
import type { GatewayConfig } from "../config/rules.ts";
import { hasPrivateListener } from "../config/rules-push.ts";
import { addressOf } from "../stores/redis/redis-call.ts";
import type { FeedParts, OpenedFeed } from "./feed-parts.ts";
import { redisTlsFiles } from "./options.ts";
import { openPrivateListener } from "./private-listener.ts";

/**
 * Creates the push source that reads a Redis Stream. If a push token is set, also opens the private listener, which adds the
 * published events to the stream. Throws `ConfigError` and `ListenError`.
 */
export function openRedisSource(config: GatewayConfig, parts: FeedParts): OpenedFeed {
  const { fill, log, metrics, onStateChange } = parts;
  // With `push.source = redis`, config/rules-push.ts requires one of the URLs. So the empty string is never used.
  const url = config["push.redis.url"] ?? config["stores.redis.url"] ?? "";
  const stream = config["push.redis.stream"];
  const onError = (error: string) => metrics.count("sallyport_redis_errors_total", { error });
  const redis = {
    ...{ url, timeoutMs: config["stores.redis.timeout_ms"], tlsFiles: redisTlsFiles(config), onError },
    keySetting: "push.redis.stream",
  };
  const delivery = new PushDelivery(parts);
  const onChange = (isUp: boolean) => void delivery.attempt("state", () => onStateChange(isUp));
  const source = new StreamSource({
    ...{ redis, stream, delivery, log, metrics },
    state: new PushState({ from: { redis: addressOf(url), stream }, log, metrics, onChange }),
    ageMs: config["history.age_ms"],
    beginFill: (checkpoint) => fill.begin(checkpoint),
    backoffMinMs: config["push.backoff_min_ms"],
    backoffMaxMs: config["push.backoff_max_ms"],
    random: Math.random,
    uniqueText: () => Bun.randomUUIDv7(),
  });
  if (!hasPrivateListener(config)) return { source, listener: undefined };
  const publisher = new StreamPublisher({ redis, stream, entriesMax: config["push.redis.entries_max"] });
  return { source, listener: openPrivateListener(config, publisher, parts), close: () => publisher.close() };
}
