import { secret, setting, unset } from "./setting.ts";
import { choice, filePath, int, listen, redisUrl, text } from "./values.ts";

const MiB = 1024 * 1024;

const LISTENER =
  "The private listener is opened with `push.source = http`. With `push.source = redis`, the listener is opened only if `push.token` or `push.token_file` is set.";

/** The setting that selects the push source, and the settings of the push sources `http` and `redis`. */
export const PUSH_SETTINGS = {
  "push.source": setting(
    choice("feed", "http", "redis"),
    "feed",
    "Source of events and revocations. `feed`: the gateway opens a gRPC stream to the backend at `push.url`. `http`: the backend sends HTTP requests to the private listener at `push.listen`. `redis`: the gateway reads the Redis Stream `push.redis.stream`. With `redis`, the backend can add entries to the Redis Stream directly. The backend can also send HTTP requests to the private listener of one gateway, which then adds the entries. With several gateways, use `feed` or `redis`, because with `http` a request reaches only one gateway. A gateway with `http` cannot be upgraded in place. In `sallyport dev` and `sallyport demo`, the source is always `feed`.",
  ),
  "push.listen": setting(
    listen,
    "127.0.0.1:8085",
    `Address and port of the private listener, on which the backend publishes events and revocations. ${LISTENER} The listener has no TLS. Do not expose the listener to untrusted networks.`,
  ),
  "push.token": secret(
    text("32 to 4096 visible ASCII characters", /^[\x21-\x7e]{32,4096}$/),
    "Bearer token that the backend must send in the `Authorization` header of requests to the private listener. Generate a token with `openssl rand -base64 32`.",
  ),
  "push.token_file": unset(
    filePath,
    "File with the bearer tokens that the private listener accepts, instead of `push.token`. Each line is one token. To change the token without refused requests, keep the old and the new token in the file for a time. The gateway loads a changed file without a restart.",
  ),
  "push.items_per_second_max": setting(
    int("items", 1, 1_000_000),
    10_000,
    "Maximum number of events and revocations that the private listener accepts per second. Above the maximum, requests are refused with status 429.",
  ),
  "push.log_file": unset(
    filePath,
    "File in which the gateway stores the events that the private listener accepts. After a restart, the gateway reads the events that are younger than `history.age_ms`, so clients can resume their streams. If no file is set, every client fetches its complete state again after a restart. Each gateway needs its own file. If a gateway has run without `push.log_file` for a time, delete its old file before you set `push.log_file` again. The old file lacks the events of that time. The setting requires `push.source = http`. A file of another program at this path is renamed at the start, to a name that ends with `.foreign`.",
  ),
  "push.log_bytes_max": setting(
    int("bytes", MiB, 1024 * MiB),
    64 * MiB,
    "Maximum size of `push.log_file` and its older file together, in bytes. The older file has the same name with the suffix `.1`. When `push.log_file` reaches half of the maximum, it replaces the older file, and the gateway starts a new `push.log_file`. Payloads are stored in base64, so a payload of 3 KiB takes 4 KiB. An event that is larger than half of the maximum is delivered, but not stored. After a restart, clients that had not received this event fetch their complete state again. If you lower the maximum, the older file keeps its size until it is replaced.",
  ),
  "push.log_sync": setting(
    choice("always", "os"),
    "always",
    "Moment at which the private listener confirms an event to the backend. `always`: when the event is on the disk (fdatasync). `os`: when the event is written to `push.log_file`, possibly before the event is on the disk. With `os`, stored events survive a crash of the gateway, but not a reboot of the machine. After a reboot with `os`, every client fetches its complete state again. The same happens after a change of `push.log_sync`.",
  ),
  "push.redis.url": secret(
    redisUrl,
    "URL of the Redis 7 or Valkey server with the Redis Stream. If no URL is set, the gateway uses `stores.redis.url`. The settings `stores.redis.ca_file`, `stores.redis.certificate_file` and `stores.redis.key_file` also apply to `push.redis.url`.",
  ),
  "push.redis.stream": setting(
    text("1 to 256 visible ASCII characters", /^[\x21-\x7e]{1,256}$/),
    "sallyport:push",
    "Key of the Redis Stream with events and revocations. Gateways of one backend must use the same key. Gateways of different backends must use different keys.",
  ),
  "push.redis.entries_max": setting(
    int("entries", 1000, 100_000_000),
    100_000,
    "Approximate maximum number of entries in the Redis Stream (`MAXLEN ~`). When a gateway adds an entry, it removes the oldest entries above the maximum. If an entry is removed before a gateway has read it, this gateway sends `gateway.resync` to all its clients. Set the maximum above the number of events that arrive within `history.age_ms`.",
  ),
} as const;
