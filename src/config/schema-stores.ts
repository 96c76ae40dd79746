import { ANSWER_SHARES } from "../core/limits.ts";
import { TIMEOUT_MS_MAX } from "./routes.ts";
import { secret, setting, unset } from "./setting.ts";
import { boolean, choice, filePath, int, redisUrl, text } from "./values.ts";

const NEEDS_TLS = "The URL in `stores.redis.url` must start with `rediss://`.";

const MiB = 1024 * 1024;

/** The settings of the stores for request ids, token buckets and kept answers. */
export const STORE_SETTINGS = {
  "stores.kind": setting(
    choice("memory", "redis"),
    "memory",
    "Place where the gateway stores request ids, token buckets and kept answers. `memory`: the memory of the gateway process. `redis`: one Redis server that all gateways of a backend share. Use `redis` if you run several gateways.",
  ),
  "stores.shared_file": unset(
    filePath,
    "File for request ids and token buckets, instead of the private memory of the gateway process. The gateway maps the file into memory. After a restart, the gateway continues with the file, so requests that were signed before the restart are accepted. The file is used until the next boot of the machine. Choose a path on a file system in memory, such as `/dev/shm/sallyport`. The gateway creates the file with mode 0600. With the default settings, the file needs about 100 MB. The size grows with `replay.entries_max`, `buckets.entries_max`, `session_cache.entries_max` and `connections.total_max`. Linux only. With `stores.kind = redis`, the file contains verified peers, the number of connections, the number of failure permits, and copies of the token buckets in Redis.",
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
    `PEM file of the client certificate chain that the gateway presents to Redis. ${NEEDS_TLS} Redis with TLS requires a client certificate, unless its option \`tls-auth-clients\` is \`no\` or \`optional\`.`,
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
    "Timeout of one Redis command, in ms. After the timeout, the gateway handles the request as if Redis were unavailable. A request needs two Redis commands. A request with an `idempotency_key` needs four Redis commands if its route has `keep_answer_ms`.",
  ),
  "stores.redis.on_buckets_unavailable": setting(
    choice("refuse", "local"),
    "refuse",
    "Handling of public REST calls, such as logins, while Redis is unavailable. `refuse`: the calls are refused, with a retry delay of 1 s. `local`: the calls are accepted, and each gateway enforces the budgets with token buckets in its own memory. Commands and subscriptions are refused in both cases, because the gateway cannot detect replays without Redis.",
  ),
  "stores.redis.durable": setting(
    boolean,
    false,
    "Whether Redis keeps every write across a restart and a failover. Set `true` only with `appendfsync always` and without a lagging replica. `false`: a quarantine follows each restart or replacement of Redis. During the quarantine, commands and subscriptions are refused, because Redis may have lost reserved request ids. The quarantine lasts `freshness.margin_ms`. Exception: the quarantine is longer if an earlier request had a timestamp more than `freshness.margin_ms` ahead of the Redis clock.",
  ),
  "answers.entries_max": setting(
    int("answers", ANSWER_SHARES, 16_777_216),
    100_000,
    "Maximum number of kept answers. Answers are kept on routes with `keep_answer_ms`. At the maximum, the gateway deletes the oldest answer for each new one. A session may hold at most a sixteenth of the maximum. If a client repeats a command whose answer was deleted, the gateway calls the backend again. Set the maximum above the number of commands with an `idempotency_key` that arrive within `keep_answer_ms`. With `stores.kind = redis`, the maximum applies to all gateways together.",
  ),
  "answers.bytes_max": setting(
    int("bytes", MiB, 64 * 1024 * MiB),
    64 * MiB,
    "Maximum size of all kept answers together, in bytes. An answer counts as its payload plus 1024 bytes. At the maximum, the gateway deletes the oldest answers. A session may hold at most a sixteenth of the maximum. If a route has `keep_answer_ms`, the maximum must be at least `16 × (2 × backend.response_bytes_max + 1024)`, so that every answer can be kept.",
  ),
} as const;
