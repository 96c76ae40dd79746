import type { IdentityHeaders } from "../backend/rest/command-headers.ts";
import type { Config } from "../config/schema.ts";
import type { AnswerBounds } from "../core/answers.ts";
import type { DeviceKeyAlgorithm, VerifyingKey } from "../core/keys.ts";
import { CONNECTION_ENTRIES_MAX } from "../core/limits.ts";
import { deviceKey, isStrictDeviceKey } from "../crypto/device-key.ts";
import type { HubSettings } from "../hub/open.ts";
import { PublicTable } from "../service/public/public-table.ts";
import type { StoreSettings } from "../stores/open.ts";
import type { RedisSettings } from "../stores/redis/open.ts";
import type { RedisTlsFiles } from "../stores/redis/redis-tls.ts";
import type { StopSettings } from "./stop.ts";

/**
 * Spare entries in the table that counts connections. Some hold the totals of the listeners. The others are for edge connections
 * that exceed a limit and are not closed yet.
 */
const SPARE_CONNECTION_ENTRIES = 4096;

/**
 * The functions of this file convert settings to the options of other parts, such as the hub and the stores. These parts do not
 * know the names of the settings.
 */

export function hubSettings(config: Config): HubSettings {
  return {
    streams: {
      perSessionMax: config["streams.per_session_max"],
      perUserMax: config["streams.per_user_max"],
      perNetworkMax: config["streams.per_network_max"],
      totalMax: config["streams.total_max"],
    },
    outbox: { bytesMax: config["streams.outbox_bytes_max"], messagesMax: config["streams.outbox_messages_max"] },
    history: {
      eventsMax: config["history.events_max"],
      bytesMax: config["history.bytes_max"],
      totalBytesMax: config["history.total_bytes_max"],
      ageMs: config["history.age_ms"],
    },
    heartbeatIntervalMs: config["streams.heartbeat_ms"],
    streamAgeMs: config["streams.age_ms"],
    recheckLookUpsMax: config["streams.recheck_lookups_max"],
  };
}

export function stopSettings(config: Config): StopSettings {
  return {
    drainMs: config["shutdown.drain_ms"],
    spreadMs: config["shutdown.spread_ms"],
    deadlineMs: config["shutdown.deadline_ms"],
  };
}

/** `sharedMemory`: the fd of the file that the processes of this gateway share; `undefined` if they share none. */
export function storeSettings(config: Config, sharedMemory?: number): StoreSettings {
  return {
    sharedMemory,
    redis: config["stores.kind"] === "redis" ? redisSettings(config) : undefined,
    settingNames: { file: "stores.shared_file", sizes: SIZE_SETTINGS },
    replayEntriesMax: config["replay.entries_max"],
    bucketEntriesMax: config["buckets.entries_max"],
    exemptBucketEntriesMax: exemptBucketEntriesMax(config),
    answers: answerBounds(config),
    connectionEntriesMax: connectionEntriesMax(config),
    sessionCache: {
      ttlMs: config["session_cache.ttl_ms"],
      unknownTtlMs: config["session_cache.unknown_ttl_ms"],
      entriesMax: config["session_cache.entries_max"],
    },
  };
}

/** The settings that decide the sizes of the tables in the shared memory, for error messages. */
const SIZE_SETTINGS = "replay.entries_max, buckets.entries_max, session_cache.entries_max or connections.total_max";

/**
 * Returns the maximum number of buckets in the scope `session_failures`. It is 4 for each entry of the session cache:
 *
 * - At most `session_cache.entries_max` sessions count as recently verified, each for `session_cache.ttl_ms`.
 * - Each of these sessions may need two buckets: its own, and that of its network.
 * - After `ttl_ms`, a bucket is kept until it is full, for about another `ttl_ms`. So twice as many buckets can exist.
 */
function exemptBucketEntriesMax(config: Config): number {
  return 4 * config["session_cache.entries_max"];
}

/**
 * Returns the maximum number of entries in the table that counts connections. Each pair of a network and a process has one
 * entry. In the worst case, every connection of the edge and of the gRPC listener needs a separate entry.
 */
function connectionEntriesMax(config: Config): number {
  return Math.min(2 * config["connections.total_max"] + SPARE_CONNECTION_ENTRIES, CONNECTION_ENTRIES_MAX);
}

/** The TLS files of every connection to Redis. */
export function redisTlsFiles(config: Config): RedisTlsFiles {
  const file = (name: "stores.redis.ca_file" | "stores.redis.certificate_file" | "stores.redis.key_file") => {
    return { name, path: config[name] };
  };
  return {
    ca: file("stores.redis.ca_file"),
    cert: file("stores.redis.certificate_file"),
    key: file("stores.redis.key_file"),
  };
}

function redisSettings(config: Config): RedisSettings {
  return {
    // If `stores.kind = redis`, config/rules.ts requires `stores.redis.url`. So the empty string is never used.
    url: config["stores.redis.url"] ?? "",
    prefix: config["stores.redis.prefix"],
    prefixSetting: "stores.redis.prefix",
    timeoutMs: config["stores.redis.timeout_ms"],
    onBucketsUnavailable: config["stores.redis.on_buckets_unavailable"],
    durable: config["stores.redis.durable"],
    tlsFiles: redisTlsFiles(config),
    windowMs: config["freshness.window_ms"],
    marginMs: config["freshness.margin_ms"],
    bucketEntriesMax: config["buckets.entries_max"],
    exemptBucketEntriesMax: exemptBucketEntriesMax(config),
    answers: answerBounds(config),
  };
}

function answerBounds(config: Config): AnswerBounds {
  return { entriesMax: config["answers.entries_max"], bytesMax: config["answers.bytes_max"] };
}

export function pipelineOptions(config: Config) {
  return {
    payloadBytesMax: config["limits.payload_bytes_max"],
    freshness: { windowMs: config["freshness.window_ms"], marginMs: config["freshness.margin_ms"] },
  };
}

export function identityHeaderNames(config: Config): IdentityHeaders {
  return {
    userId: config["backend.identity_headers.user_id"],
    deviceSessionId: config["backend.identity_headers.device_session_id"],
    requestId: config["backend.identity_headers.request_id"],
    idempotencyKey: config["backend.identity_headers.idempotency_key"],
    peerAddress: config["backend.identity_headers.peer_address"],
  };
}

/**
 * Returns a function that creates the device key of a session. If `device_keys.algorithms` does not list the session's
 * algorithm, the key rejects every signature.
 */
export function deviceKeys(config: Config) {
  const accepted = config["device_keys.algorithms"];
  return (algorithm: DeviceKeyAlgorithm, raw: Uint8Array): VerifyingKey | undefined => {
    const key = deviceKey(algorithm, raw);
    if (key === undefined || accepted.includes(algorithm)) return key;
    return { rejectionCause: `device_keys.algorithms does not list ${algorithm}`, verify: () => false };
  };
}

export function publicTable(config: Config): PublicTable {
  return new PublicTable(config.public_routes, {
    algorithms: config["device_keys.algorithms"],
    isStrictKey: isStrictDeviceKey,
  });
}
