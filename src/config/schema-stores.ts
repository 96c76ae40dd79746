import { TIMEOUT_MS_MAX } from "./routes.ts";
import { secret, setting, unset } from "./setting.ts";
import { boolean, choice, filePath, int, redisUrl, text } from "./values.ts";

/** The settings of the stores for request ids and token buckets. */
export const STORE_SETTINGS = {
  "stores.kind": setting(
    choice("memory", "redis"),
    "memory",
    "Store of request ids and token buckets. `memory`: the memory of this process. `redis`: one Redis that all gateways of a backend share. If you run several gateways, use `redis`.",
  ),
  "stores.redis.url": secret(
    redisUrl,
    "URL of one Redis 7 or Valkey server: `redis://`, `rediss://` (TLS) or `redis+unix://`. It may contain a user, a percent-encoded password and a database number. Logs show only the address. Redis Cluster is not supported.",
  ),
  "stores.redis.ca_file": unset(
    filePath,
    "PEM file of the certificate authorities that sign the certificate of Redis, for `rediss://`. If it is unset, the system's authorities are used.",
  ),
  "stores.redis.certificate_file": unset(
    filePath,
    "PEM file of the client certificate chain that the gateway presents to Redis, for `rediss://`. Redis with TLS requires it, unless the Redis option `tls-auth-clients` is `no` or `optional`.",
  ),
  "stores.redis.key_file": unset(filePath, "PEM file of the private key that belongs to `stores.redis.certificate_file`."),
  "stores.redis.prefix": setting(
    text("1 to 64 of A-Z, a-z, 0-9, '.', '_', ':', '-'", /^[A-Za-z0-9._:-]{1,64}$/),
    "sallyport:",
    "Prefix of all keys in Redis. Gateways of one backend must use the same prefix. Gateways of different backends must use different prefixes.",
  ),
  "stores.redis.timeout_ms": setting(
    int("ms", 10, TIMEOUT_MS_MAX),
    500,
    "Timeout of a Redis command, in ms. If Redis does not answer in time, the request is refused. A request needs at most two Redis commands.",
  ),
  "stores.redis.on_buckets_unavailable": setting(
    choice("refuse", "local"),
    "refuse",
    "Enforcement of budgets while Redis is unavailable. `refuse`: requests with a budget are refused, with a retry delay of 1 s. `local`: each gateway enforces the budgets on its own. In both cases, commands and subscriptions are refused, because they cannot be checked for replay.",
  ),
  "stores.redis.durable": setting(
    boolean,
    false,
    "Declares that Redis loses no write in a restart or failover (`appendfsync always`, no lagging replica). If false, a quarantine follows each restart or replacement of Redis: requests are refused, because Redis may have lost reserved request ids. The quarantine lasts `freshness.margin_ms`, or longer if a timestamp of an earlier request was further ahead of the clock than this.",
  ),
} as const;
