import { TIMEOUT_MS_MAX } from "./routes.ts";
import { secret, setting, unset } from "./setting.ts";
import { boolean, choice, filePath, int, redisUrl, text } from "./values.ts";

/** The settings of stores. */
export const STORE_SETTINGS = {
  "stores.kind": setting(
    choice("memory", "redis"),
    "memory",
    "Store of request ids and token buckets: `memory` of this process, or `redis`, shared by all gateways of one backend. Several gateways require `redis`.",
  ),
  "stores.redis.url": secret(
    redisUrl,
    "`redis://`, `rediss://` (TLS) or `redis+unix://` URL of one Redis 7 or Valkey server; Redis Cluster is not supported. It may contain user, password (percent-encoded) and database number. Logs show only the address.",
  ),
  "stores.redis.ca_file": unset(
    filePath,
    "PEM certificates of the authorities that sign the certificate of Redis, for `rediss://`. If unset, the system's authorities are used.",
  ),
  "stores.redis.certificate_file": unset(
    filePath,
    "PEM client certificate chain presented to Redis, for `rediss://`. Redis requires one unless its `tls-auth-clients` is disabled.",
  ),
  "stores.redis.key_file": unset(filePath, "PEM private key of the client certificate in `stores.redis.certificate_file`."),
  "stores.redis.prefix": setting(
    text("1 to 64 of A-Z, a-z, 0-9, '.', '_', ':', '-'", /^[A-Za-z0-9._:-]{1,64}$/),
    "sallyport:",
    "Prefix of all keys in Redis. Gateways of the same backend share one prefix; gateways of another backend need a different one.",
  ),
  "stores.redis.timeout_ms": setting(
    int("ms", 10, TIMEOUT_MS_MAX),
    500,
    "Timeout of a Redis command, in ms. A request needs at most two commands. If Redis does not answer, requests are refused.",
  ),
  "stores.redis.on_buckets_unavailable": setting(
    choice("refuse", "local"),
    "refuse",
    "Enforcement of budgets while Redis is unavailable. `refuse`: requests with a budget are refused, with a retry delay of 1 s. `local`: each gateway counts on its own. Commands are refused in both cases, because they cannot be checked for replay.",
  ),
  "stores.redis.durable": setting(
    boolean,
    false,
    "Declares that Redis loses no write in a restart or failover (`appendfsync always`, no lagging replica). If false, requests are refused after a restart and on a new Redis for `freshness.margin_ms`, or longer if clients' clocks were further ahead. This quarantine prevents replays of requests that Redis has lost.",
  ),
} as const;
