import { ANSWER_SHARES } from "../core/limits.ts";
import { TIMEOUT_MS_MAX } from "./routes.ts";
import { secret, setting, unset } from "./setting.ts";
import { boolean, choice, filePath, int, redisUrl, text } from "./values.ts";

const NEEDS_TLS = "If the setting is used, `stores.redis.url` must start with `rediss://`.";

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
    "File in which the gateway stores request ids and token buckets. If no file is set, the memory of the gateway contains them. After a restart, the gateway continues with the file. The gateway can then accept requests that were signed before the restart. After a reboot of the machine, the gateway starts with an empty file. Choose a path on a file system in memory, such as `/dev/shm/sallyport`. The gateway creates the file with mode 0600. It never changes a file that is neither empty nor its own. Gateways of one host may use one file, if their sizes and their PID namespace are the same. With the default settings, the file needs about 94 MiB. The size grows with `replay.entries_max`, `buckets.entries_max`, `session_cache.entries_max` and `connections.total_max`. The file also contains verified peers, connection counts and counts of failure permits. With `stores.kind = redis`, Redis stores the request ids and the token buckets. The file then contains no request ids, and its token buckets are copies of those in Redis. Linux only. A file of another program at this path is renamed at the start, to a name that ends with `.foreign`.",
  ),
  "stores.redis.url": secret(
    redisUrl,
    "URL of the Redis 7 or Valkey server. The scheme is `redis://`, `rediss://` (TLS) or `redis+unix://`. The URL may contain a user, a password and a database number. Percent-encode special characters in the password. Logs show neither the user nor the password. Redis Cluster is not supported.",
  ),
  "stores.redis.ca_file": unset(
    filePath,
    `PEM file of the certificate authorities that sign the certificate of Redis. ${NEEDS_TLS} If no file is set, the gateway trusts the certificate authorities of the system.`,
  ),
  "stores.redis.certificate_file": unset(
    filePath,
    `PEM file of the client certificate chain that the gateway presents to Redis. ${NEEDS_TLS} A Redis server with TLS requires a client certificate, unless the Redis option \`tls-auth-clients\` is \`no\` or \`optional\`.`,
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
    "Timeout of one Redis command, in ms. After the timeout, the gateway handles the request as if Redis were unavailable. A client's request needs two Redis commands, one after the other. A command with an `idempotency_key` needs four Redis commands if its route has `keep_answer_ms`.",
  ),
  "stores.redis.on_buckets_unavailable": setting(
    choice("refuse", "local"),
    "refuse",
    "Handling of public REST calls, such as logins, while Redis is unavailable. `refuse`: public REST calls are refused, with a retry delay of 1 s. `local`: public REST calls are accepted, and each gateway enforces the budgets with token buckets in its own memory. With both values, commands and subscriptions are refused, because the gateway cannot detect replays without Redis.",
  ),
  "stores.redis.durable": setting(
    boolean,
    false,
    "Whether Redis keeps every write across a restart and a failover. Set `true` only if Redis has `appendfsync always`, and if every replica that can become the primary has all writes. `false`: a quarantine follows each restart or replacement of Redis, because Redis may have lost reserved request ids. During the quarantine, commands and subscriptions are refused. The quarantine normally lasts `freshness.margin_ms`. The quarantine lasts longer if the timestamp of an earlier request was more than `freshness.margin_ms` ahead of the Redis clock.",
  ),
  "answers.entries_max": setting(
    int("answers", ANSWER_SHARES, 16_777_216),
    100_000,
    "Maximum number of kept answers. The gateway keeps the answers of routes with `keep_answer_ms`. At the maximum, each new answer replaces the oldest answer. The answers of one session may be at most a sixteenth of the maximum. If a client repeats a command whose answer was replaced, the gateway calls the backend again. Set the maximum above the number of commands with an `idempotency_key` that arrive within `keep_answer_ms`. With `stores.kind = redis`, the maximum applies to all gateways together.",
  ),
  "answers.bytes_max": setting(
    int("bytes", MiB, 64 * 1024 * MiB),
    64 * MiB,
    "Maximum size of all kept answers together, in bytes. An answer counts as its payload plus 1024 bytes. At the maximum, the gateway deletes the oldest answers. The answers of one session may be at most a sixteenth of the maximum. If a route has `keep_answer_ms`, the maximum must be at least `16 × (2 × backend.response_bytes_max + 1024)`. The share of one session then has room for the largest answer. The factor 2 is needed because Redis may store one byte of an answer as two bytes.",
  ),
} as const;
