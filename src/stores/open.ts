import type { Clock } from "../core/clock.ts";
import type {
  BucketStore,
  Log,
  Metrics,
  ReplayStore,
  Revocation,
  SessionDirectory,
  SessionSource,
  VerifiedPeers,
} from "../core/ports.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import { MemoryBucketStore } from "./memory/buckets.ts";
import { MemoryReplayStore } from "./memory/replay.ts";
import { SessionCache } from "./memory/session-cache.ts";
import { SplitBucketStore } from "./memory/split-buckets.ts";
import { MemoryVerifiedPeers } from "./memory/verified-peers.ts";
import { openRedisStores, type RedisConfig } from "./redis/open.ts";

/** The part of the configuration that stores are made by. */
export interface StoreConfig extends RedisConfig {
  readonly "stores.kind": "memory" | "redis";
  readonly "replay.entries_max": number;
  readonly "session_cache.ttl_ms": number;
  readonly "session_cache.unknown_ttl_ms": number;
  readonly "session_cache.entries_max": number;
}

export interface StoreParts {
  readonly source: SessionSource;
  readonly revocations: RevocationLog;
  readonly clock: Clock;
  /** Whether revocations arrive; while they do not, the session cache is bypassed. */
  readonly trusted: () => boolean;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Another gateway was told to revoke these. */
  readonly onRevocation: (revocation: Revocation) => void;
}

/** Everything that the gateway remembers. */
export interface Stores {
  readonly sessions: RevocableDirectory;
  readonly replay: ReplayStore;
  /** When the memory of requests begins (Unix milliseconds); `-Infinity` where it outlives this process. */
  readonly remembersSinceMs: number;
  /** The buckets of verified callers. */
  readonly buckets: BucketStore;
  /**
   * Those of all others (failures, public calls), apart: strangers, however many, must not crowd out those who are known. The failures of
   * sessions that are known are kept among `buckets`.
   */
  readonly unverifiedBuckets: BucketStore;
  readonly verifiedPeers: VerifiedPeers;
  /** Tells whichever gateways share these stores of a revocation that no push feed brings them; gives whether they will learn of it. */
  readonly announce: (revocation: Revocation) => Promise<boolean>;
  /** Sets the gauges of how full the stores are. */
  readonly sample: (metrics: Metrics) => void;
  /** What in the stores keeps requests from being let in, in words; empty where nothing does. */
  readonly notReady: () => string[];
  readonly close: () => void;
}

/** A session directory that is told what the push feed brings. */
export interface RevocableDirectory extends SessionDirectory {
  /** The revocation is in the log already. */
  revoke(revocation: Revocation): void;
  /** Revocations may have been lost: nothing that was learned before holds. */
  clear(): void;
}

/** Opens the stores that the configuration names. Throws `StoreError` where they cannot be had. */
export async function openStores(config: StoreConfig, parts: StoreParts): Promise<Stores> {
  const { clock } = parts;
  const ttlMs = config["session_cache.ttl_ms"];
  const entriesMax = config["session_cache.entries_max"];
  const sessions = new SessionCache(parts.source, parts.revocations, clock, {
    ttlMs,
    unknownTtlMs: config["session_cache.unknown_ttl_ms"],
    entriesMax,
    trusted: parts.trusted,
  });
  // As long as the session cache keeps a session, and as many.
  const verifiedPeers = new MemoryVerifiedPeers({ ttlMs, entriesMax });
  const { sample, ...shared } = config["stores.kind"] === "redis" ? await openShared(config, parts) : openMemory(config, clock);
  const sampleAll = (metrics: Metrics) => {
    metrics.gauge("sallyport_session_cache_entries", sessions.entries);
    sample(metrics);
  };
  return { sessions, verifiedPeers, ...shared, sample: sampleAll };
}

/** What gateways on several hosts must share. The rest is each one's own: its push feed brings every revocation to each of them. */
type SharedStores = Omit<Stores, "sessions" | "verifiedPeers">;

function openMemory(config: StoreConfig, clock: Clock): SharedStores {
  const replay = new MemoryReplayStore(clock, { entriesMax: config["replay.entries_max"] });
  const buckets = new MemoryBucketStore({ entriesMax: config["buckets.entries_max"] });
  const unverified = new MemoryBucketStore({ entriesMax: config["buckets.entries_max"] });
  const unverifiedBuckets = new SplitBucketStore({ verified: buckets, unverified });
  const sample = (metrics: Metrics) => {
    metrics.gauge("sallyport_replay_entries", replay.entries);
    metrics.gauge("sallyport_bucket_entries", buckets.entries, { of: "verified" });
    metrics.gauge("sallyport_bucket_entries", unverified.entries, { of: "unverified" });
  };
  const alone = { announce: () => Promise.resolve(true), notReady: () => [], close() {} };
  return { replay, remembersSinceMs: clock.now(), buckets, unverifiedBuckets, sample, ...alone };
}

async function openShared(config: StoreConfig, parts: StoreParts): Promise<SharedStores> {
  const { isUp, ...stores } = await openRedisStores(config, parts);
  return {
    ...stores,
    remembersSinceMs: Number.NEGATIVE_INFINITY,
    sample: (metrics) => metrics.gauge("sallyport_redis_up", isUp() ? 1 : 0),
  };
}
