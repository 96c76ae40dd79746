import { TIMEOUT_MS_MAX } from "./routes.ts";
import { secret, setting, unset } from "./setting.ts";
import { boolean, choice, filePath, int, redisUrl, text } from "./values.ts";

/** The rows of the configuration's table that are about where the stores are. */
export const STORE_SETTINGS = {
  "stores.kind": setting(
    choice("memory", "redis"),
    "memory",
    "Where request ids and token buckets are kept: `memory`, in this process; or `redis`, shared by all gateways of one backend. More than one gateway needs `redis`.",
  ),
  "stores.redis.url": secret(
    redisUrl,
    "`redis://`, `rediss://` (TLS) or `redis+unix://` URL of one Redis 7 or Valkey server, not a Cluster; with user, password (percent-encoded) and database where it needs them. Of it, logs show the address alone.",
  ),
  "stores.redis.ca_file": unset(
    filePath,
    "With `rediss://`: authorities of which one must have signed the certificate of Redis, PEM. None: those of the system.",
  ),
  "stores.redis.certificate_file": unset(
    filePath,
    "With `rediss://`: certificate chain that the gateway shows to Redis, PEM; Redis wants one unless its `tls-auth-clients` says otherwise.",
  ),
  "stores.redis.key_file": unset(filePath, "Private key that belongs to this certificate, PEM."),
  "stores.redis.prefix": setting(
    text("1 to 64 of A-Z, a-z, 0-9, '.', '_', ':', '-'", /^[A-Za-z0-9._:-]{1,64}$/),
    "sallyport:",
    "How the keys in Redis begin. The same for gateways that share, another for those of another backend.",
  ),
  "stores.redis.timeout_ms": setting(
    int("ms", 10, TIMEOUT_MS_MAX),
    500,
    "Longest wait for an answer of Redis, in ms; a request asks it twice at most. Without an answer, requests are refused.",
  ),
  "stores.redis.on_buckets_unavailable": setting(
    choice("refuse", "local"),
    "refuse",
    "What becomes of budgets while Redis is away: `refuse` whatever they guard (retry in a second), or `local`, each gateway counts by itself. Commands are refused either way, since they cannot be checked for replay.",
  ),
  "stores.redis.durable": setting(
    boolean,
    false,
    "Whether Redis keeps every write over a restart or failover (`appendfsync always`, no replica that lags). If not, requests are refused after one, and on a new Redis, for `freshness.margin_ms`, and longer where clients' clocks were further ahead, so that none that it forgot is let in again.",
  ),
} as const;
