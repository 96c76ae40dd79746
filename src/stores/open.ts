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
import type { Revocations } from "../core/revocations.ts";
import { MemoryBucketStore } from "./memory/buckets.ts";
import { MemoryReplayStore } from "./memory/replay.ts";
import { SessionCache } from "./memory/session-cache.ts";
import { SplitBucketStore } from "./memory/split-buckets.ts";
import { MemoryVerifiedPeers } from "./memory/verified-peers.ts";
import { openRedisStores, type RedisSettings } from "./redis/open.ts";

/** What an operator can set. */
export interface StoreSettings {
  /** `undefined`: reservations and buckets are in this process. */
  readonly redis: RedisSettings | undefined;
  /** Reservations held at once in memory. */
  readonly replayEntriesMax: number;
  /** Buckets held at once in each of the two tables. */
  readonly bucketEntriesMax: number;
  /** Failure buckets of exempt sessions held at once. */
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
  /** Another gateway was told to revoke these. */
  readonly onRevocation: (revocation: Revocation) => void;
}

/** Everything that the gateway remembers. */
export interface Stores {
  readonly sessions: SessionDirectory;
  readonly replay: ReplayStore;
  /** When the memory of requests begins (Unix milliseconds); `-Infinity` where it outlives this process. */
  readonly replayCoverageStartMs: number;
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

/** Opens the stores. Throws `StoreError` if Redis cannot be used. */
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
  // As long as the session cache keeps a session, and as many.
  const verifiedPeers = new MemoryVerifiedPeers(sessionCache);
  const { sample, ...shared } =
    settings.redis === undefined ? openMemory(settings, clock) : await openShared(settings.redis, parts);
  const sampleAll = (metrics: Metrics) => {
    metrics.gauge("sallyport_session_cache_entries", sessions.entries);
    sample(metrics);
  };
  return { sessions, verifiedPeers, ...shared, sample: sampleAll };
}

/** What gateways on several hosts must share. The rest is each one's own: its push feed brings every revocation to each of them. */
type SharedStores = Omit<Stores, "sessions" | "verifiedPeers">;

function openMemory(settings: StoreSettings, clock: Clock): SharedStores {
  const { replayEntriesMax, bucketEntriesMax: entriesMax, exemptBucketEntriesMax } = settings;
  const replay = new MemoryReplayStore(clock, { entriesMax: replayEntriesMax });
  const buckets = new MemoryBucketStore({ entriesMax });
  const unverified = new MemoryBucketStore({ entriesMax });
  const unverifiedBuckets = new SplitBucketStore({
    exempt: new MemoryBucketStore({ entriesMax: exemptBucketEntriesMax }),
    unverified,
  });
  const sample = (metrics: Metrics) => {
    metrics.gauge("sallyport_replay_entries", replay.entries);
    metrics.gauge("sallyport_bucket_entries", buckets.entries, { of: "verified" });
    metrics.gauge("sallyport_bucket_entries", unverified.entries, { of: "unverified" });
  };
  const alone = { announce: () => Promise.resolve(true), notReady: () => [], close() {} };
  return { replay, replayCoverageStartMs: clock.now(), buckets, unverifiedBuckets, sample, ...alone };
}

async function openShared(settings: RedisSettings, parts: StoreParts): Promise<SharedStores> {
  const { isUp, ...stores } = await openRedisStores(settings, parts);
  return {
    ...stores,
    replayCoverageStartMs: Number.NEGATIVE_INFINITY,
    sample: (metrics) => metrics.gauge("sallyport_redis_up", isUp() ? 1 : 0),
  };
}
