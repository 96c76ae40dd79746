import type { ReplayStore } from "../core/admission.ts";
import type { BucketStore, VerifiedPeers } from "../core/buckets.ts";
import type { Clock } from "../core/clock.ts";
import type { Revocations } from "../core/revocations.ts";
import type { Revocation, SessionDirectory, SessionSource } from "../core/sessions.ts";
import type { Log, Metrics } from "../core/telemetry.ts";
import { MemoryBucketStore } from "./memory/buckets.ts";
import { MemoryReplayStore } from "./memory/replay.ts";
import { SessionCache } from "./memory/session-cache.ts";
import { SplitBucketStore } from "./memory/split-buckets.ts";
import { MemoryVerifiedPeers } from "./memory/verified-peers.ts";
import { openRedisStores, type RedisSettings } from "./redis/open.ts";

/** The settings, resolved. */
export interface StoreSettings {
  /** `undefined`: reservations and buckets are in this process's memory. */
  readonly redis: RedisSettings | undefined;
  /** Capacity of the replay store in memory. */
  readonly replayEntriesMax: number;
  /** Capacity of each of the two bucket tables. */
  readonly bucketEntriesMax: number;
  /** Capacity of the table of the failure buckets of exempt sessions. */
  readonly exemptBucketEntriesMax: number;
  readonly sessionCache: { readonly ttlMs: number; readonly unknownTtlMs: number; readonly entriesMax: number };
}

export interface StoreParts {
  readonly source: SessionSource;
  readonly revocations: Revocations;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Called for each revocation that another gateway announced. */
  readonly onRevocation: (revocation: Revocation) => void;
}

/** All stores of one gateway. */
export interface Stores {
  readonly sessions: SessionDirectory;
  readonly replay: ReplayStore;
  /** Requests signed before this time (Unix milliseconds) may be missing in `replay`. `-Infinity` if it outlives this process. */
  readonly replayCoverageStartMs: number;
  /** Buckets of verified callers. */
  readonly buckets: BucketStore;
  /**
   * Buckets of all other callers (failures, public calls), in a table of their own: unknown clients must not evict buckets of verified
   * callers. The scope `session_failures` has its own table here.
   */
  readonly unverifiedBuckets: BucketStore;
  readonly verifiedPeers: VerifiedPeers;
  /** Announces an operator's revocation to the gateways that share these stores. Resolves to whether all of them will receive it. */
  readonly announce: (revocation: Revocation) => Promise<boolean>;
  /** Sets the gauges of the stores' fill levels. */
  readonly sample: (metrics: Metrics) => void;
  /** The reasons why the stores refuse requests, for people; empty if there are none. */
  readonly notReady: () => string[];
  readonly close: () => void;
}

/** Rejects with `StoreError` if Redis cannot be used. */
export async function openStores(settings: StoreSettings, parts: StoreParts): Promise<Stores> {
  const { clock, revocations } = parts;
  const { sessionCache } = settings;
  const trusted = () => revocations.areArriving();
  const sessions = new SessionCache(parts.source, revocations, clock, { ...sessionCache, trusted });
  revocations.join({
    revoke(revocation) {
      sessions.revoke(revocation);
      return 0;
    },
    lost: () => sessions.clear(),
    outageEnded: () => sessions.clear(),
  });
  // Same time to live and capacity as the session cache.
  const verifiedPeers = new MemoryVerifiedPeers(sessionCache);
  const { sample, trim, close, ...shared } =
    settings.redis === undefined ? openMemory(settings, clock) : await openShared(settings.redis, parts);
  const trimming = setInterval(() => {
    sessions.trim();
    verifiedPeers.trim(clock.now());
    trim();
  }, TRIM_INTERVAL_MS).unref();
  const sampleAll = (metrics: Metrics) => {
    metrics.gauge("sallyport_session_cache_entries", sessions.entries);
    sample(metrics);
  };
  const closeAll = () => {
    clearInterval(trimming);
    close();
  };
  return { sessions, verifiedPeers, ...shared, sample: sampleAll, close: closeAll };
}

/** The stores that gateways on several hosts share. Session caches are not shared: each gateway's push feed brings every revocation. */
interface SharedStores extends Omit<Stores, "sessions" | "verifiedPeers"> {
  /** Frees the memory of expired entries. */
  readonly trim: () => void;
}

const TRIM_INTERVAL_MS = 1000;

function openMemory(settings: StoreSettings, clock: Clock): SharedStores {
  const { replayEntriesMax, bucketEntriesMax: entriesMax, exemptBucketEntriesMax } = settings;
  const replay = new MemoryReplayStore(clock, { entriesMax: replayEntriesMax });
  const buckets = new MemoryBucketStore({ entriesMax });
  const unverified = new MemoryBucketStore({ entriesMax });
  const exempt = new MemoryBucketStore({ entriesMax: exemptBucketEntriesMax });
  const unverifiedBuckets = new SplitBucketStore({ exempt, unverified });
  const trim = () => {
    replay.trim();
    for (const store of [buckets, unverified, exempt]) store.trim(clock.now());
  };
  const sample = (metrics: Metrics) => {
    metrics.gauge("sallyport_replay_entries", replay.entries);
    metrics.gauge("sallyport_bucket_entries", buckets.entries, { of: "verified" });
    metrics.gauge("sallyport_bucket_entries", unverified.entries, { of: "unverified" });
  };
  const alone = { announce: () => Promise.resolve(true), notReady: () => [], close() {} };
  return { replay, replayCoverageStartMs: clock.now(), buckets, unverifiedBuckets, sample, trim, ...alone };
}

async function openShared(settings: RedisSettings, parts: StoreParts): Promise<SharedStores> {
  const { isUp, ...stores } = await openRedisStores(settings, parts);
  return {
    ...stores,
    replayCoverageStartMs: Number.NEGATIVE_INFINITY,
    sample: (metrics) => metrics.gauge("sallyport_redis_up", isUp() ? 1 : 0),
  };
}
