import type { Clock } from "../core/clock.ts";
import type {
  BucketStore,
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
import { MemoryVerifiedPeers } from "./memory/verified-peers.ts";

/** The part of the configuration that stores are made by. */
export interface StoreConfig {
  readonly "replay.entries_max": number;
  readonly "buckets.entries_max": number;
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
}

/** Everything that the gateway remembers. */
export interface Stores {
  readonly sessions: RevocableDirectory;
  readonly replay: ReplayStore;
  readonly buckets: BucketStore;
  readonly verifiedPeers: VerifiedPeers;
  /** Sets the gauges of how full the stores are. */
  readonly sample: (metrics: Metrics) => void;
}

/** A session directory that is told what the push feed brings. */
export interface RevocableDirectory extends SessionDirectory {
  /** The revocation is in the log already. */
  revoke(revocation: Revocation): void;
  /** Revocations may have been lost: nothing that was learned before holds. */
  clear(): void;
}

/** The stores in this process's memory. */
export function openStores(config: StoreConfig, parts: StoreParts): Stores {
  const { clock } = parts;
  const ttlMs = config["session_cache.ttl_ms"];
  const entriesMax = config["session_cache.entries_max"];
  const sessions = new SessionCache(parts.source, parts.revocations, clock, {
    ttlMs,
    unknownTtlMs: config["session_cache.unknown_ttl_ms"],
    entriesMax,
    trusted: parts.trusted,
  });
  const replay = new MemoryReplayStore(clock, { entriesMax: config["replay.entries_max"] });
  const buckets = new MemoryBucketStore({ entriesMax: config["buckets.entries_max"] });
  // As long as the session cache keeps a session, and as many.
  const verifiedPeers = new MemoryVerifiedPeers({ ttlMs, entriesMax });
  const sample = (metrics: Metrics) => {
    metrics.gauge("sallyport_session_cache_entries", sessions.entries);
    metrics.gauge("sallyport_replay_entries", replay.entries);
    metrics.gauge("sallyport_bucket_entries", buckets.entries);
  };
  return { sessions, replay, buckets, verifiedPeers, sample };
}
