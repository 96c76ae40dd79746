import { TIMEOUT_MS_MAX } from "./routes.ts";
import { secret, setting, unset } from "./setting.ts";
import { boolean, choice, filePath, int, redisUrl, text } from "./values.ts";

const NEEDS_TLS = "The URL in `stores.redis.url` must start with `rediss://`.";

/** The settings of the stores for request ids and token buckets. */
export const STORE_SETTINGS = {
  "stores.kind": setting(
    choice("memory", "redis"),
    "memory",
    "Place where the gateway stores request ids and token buckets. `memory`: the memory of the gateway process. `redis`: one Redis server that all gateways of a backend share. Use `redis` if you run several gateways.",
  ),
  "stores.redis.url": secret(
    redisUrl,
    "URL of the Redis 7 or Valkey server: `redis://`, `rediss://` (TLS) or `redis+unix://`. The URL may contain a user, a password and a database number. Percent-encode special characters in the password. Logs never show the user and the password. Redis Cluster is not supported.",
  ),
  "stores.redis.ca_file": unset(
    filePath,
    `PEM file of the certificate authorities that sign the certificate of Redis. ${NEEDS_TLS} If no file is set, the gateway trusts the certificate authorities of the system.`,
  ),
  "stores.redis.certificate_file": unset(
    filePath,
    `PEM file of the client certificate chain that the gateway presents to Redis. ${NEEDS_TLS} Redis with TLS requires a client certificate. Exception: the Redis option \`tls-auth-clients\` is \`no\` or \`optional\`.`,
  ),
  "stores.redis.key_file": unset(
    filePath,
    "PEM file of the private key for the certificate in `stores.redis.certificate_file`.",
  ),
  "stores.redis.prefix": setting(
    text("1 to 64 of A-Z, a-z, 0-9, '.', '_', ':', '-'", /^[A-Za-z0-9._:-]{1,64}$/),
    "sallyport:",
    "Prefix of all keys in Redis. Gateways of one backend must use the same prefix. Gateways of different backends must use different prefixes.",
  ),
  "stores.redis.timeout_ms": setting(
    int("ms", 10, TIMEOUT_MS_MAX),
    500,
    "Timeout of a Redis command, in ms. After the timeout, the request is handled as if Redis were unavailable. A request needs at most two Redis commands.",
  ),
  "stores.redis.on_buckets_unavailable": setting(
    choice("refuse", "local"),
    "refuse",
    "Enforcement of budgets while Redis is unavailable. `refuse`: requests with a budget are refused, with a retry delay of 1 s. `local`: each gateway enforces the budgets with buckets in memory. The setting matters for public REST calls, such as logins. Commands and subscriptions are refused in both cases, because the gateway cannot detect replays.",
  ),
  "stores.redis.durable": setting(
    boolean,
    false,
    "Whether Redis keeps every write across a restart and a failover. Set `true` only with `appendfsync always` and without a lagging replica. `false`: a quarantine follows each restart or replacement of Redis. During the quarantine, commands and subscriptions are refused, because Redis may have lost reserved request ids. The quarantine lasts `freshness.margin_ms`. Exception: the quarantine is longer if an earlier request had a timestamp more than `freshness.margin_ms` ahead of the Redis clock.",
  ),
} as const;
