import { secret, setting, unset } from "./setting.ts";
import { choice, filePath, int, listen, redisUrl, text } from "./values.ts";

const MiB = 1024 * 1024;

const LISTENER = "The private listener is opened with `push.source = http`, and with `push.source = redis` if a token is set.";

/** The settings of the push sources other than the gRPC stream of the backend. */
export const PUSH_SETTINGS = {
  "push.source": setting(
    choice("feed", "http", "redis"),
    "feed",
    "Source of events and revocations. `feed`: the gateway opens a gRPC stream to the backend at `push.url`. `http`: the backend sends HTTP requests to the private listener, `push.listen`. `redis`: the gateway reads the Redis Stream `push.redis.stream`. The backend adds entries to the stream itself, or through the private listener of a gateway. With several gateways, use `feed` or `redis`, because an HTTP request reaches only one gateway. In `sallyport dev` and `sallyport demo`, the source is always `feed`.",
  ),
  "push.listen": setting(
    listen,
    "127.0.0.1:8085",
    `Address and port of the private listener, on which the backend publishes events and revocations. ${LISTENER} The listener has no TLS. Do not expose the listener to untrusted networks.`,
  ),
  "push.token": secret(
    text("32 to 4096 visible ASCII characters", /^[\x21-\x7e]{32,4096}$/),
    "Bearer token that callers of the private listener must send in the `Authorization` header. Generate a token with `openssl rand -base64 32`.",
  ),
  "push.token_file": unset(
    filePath,
    "File with the bearer tokens of the private listener, instead of `push.token`. Each line is one valid token. While you change the token, the file can contain the old and the new token. The gateway loads a changed file without a restart.",
  ),
  "push.items_per_second_max": setting(
    int("items", 1, 1_000_000),
    10_000,
    "Maximum number of events and revocations that the private listener accepts per second. Above the maximum, a call is refused with status 429.",
  ),
  "push.log_file": unset(
    filePath,
    "File in which the gateway stores the events that the private listener accepts. After a restart, the gateway reads the events that are younger than `history.age_ms`. Clients can then resume their streams. If no file is set, every client fetches its complete state again after a restart. Each gateway needs its own file. Only with `push.source = http`.",
  ),
  "push.log_bytes_max": setting(
    int("bytes", MiB, 1024 * MiB),
    64 * MiB,
    "Maximum size of two files together, in bytes: `push.log_file`, and an older file with the same name and the suffix `.1`. When `push.log_file` reaches half of the maximum, the gateway renames `push.log_file`, which replaces the older file. The gateway then starts a new `push.log_file`.",
  ),
  "push.log_sync": setting(
    choice("always", "os"),
    "always",
    "Moment at which the private listener answers a call with an event. `always`: the event is on the disk (fdatasync). `os`: the operating system has the event, but the event may not be on the disk yet. With `os`, `push.log_file` survives a crash of the gateway. After a reboot of the machine, the gateway does not use a file that was written with `os`.",
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
    "Approximate maximum number of entries in the Redis Stream (`MAXLEN ~`). A gateway removes the oldest entries when its private listener adds entries. If an entry is removed before a gateway reads the entry, this gateway sends `gateway.resync` to all its clients. Set the number above the number of events that arrive within `history.age_ms`.",
  ),
} as const;
