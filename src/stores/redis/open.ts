import type { ReplayStore } from "../../core/admission.ts";
import type { BucketStore } from "../../core/buckets.ts";
import { messageOf } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { Revocation } from "../../core/sessions.ts";
import { StoreError } from "../../core/start-error.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";
import { MemoryBucketStore } from "../memory/buckets.ts";
import { type LocalBuckets, SplitBucketStore } from "../memory/split-buckets.ts";
import { RedisBucketStore } from "./buckets.ts";
import { addressOf, rethrowUnlessUnavailable } from "./call.ts";
import { RedisHealth } from "./health.ts";
import { RedisLink } from "./link.ts";
import { RedisMonitor } from "./monitor.ts";
import { RedisReplayStore } from "./replay.ts";
import { RedisRevocations } from "./revocations.ts";
import { StoreEpoch } from "./store-epoch.ts";
import type { RedisTlsFiles } from "./tls.ts";

/** The settings, resolved. */
export interface RedisSettings {
  readonly url: string;
  /** Prefix of every key. */
  readonly prefix: string;
  /** Timeout of one command. */
  readonly timeoutMs: number;
  readonly onBucketsUnavailable: "refuse" | "local";
  /** Whether Redis keeps every write across a restart. */
  readonly durable: boolean;
  readonly tlsFiles: RedisTlsFiles;
  /** The freshness window. */
  readonly windowMs: number;
  /** How much longer than the window a reservation lasts. */
  readonly marginMs: number;
  /** Capacity of the local bucket tables of verified and of unverified callers, each. */
  readonly bucketEntriesMax: number;
  /** Capacity of the local table of the failure buckets of exempt sessions. */
  readonly exemptBucketEntriesMax: number;
}

export interface RedisParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Called for each revocation that another gateway announced. */
  readonly onRevocation: (revocation: Revocation) => void;
}

/** What several gateways share. */
export interface RedisStores {
  readonly replay: ReplayStore;
  /** Buckets of verified callers. */
  readonly buckets: BucketStore;
  /** Buckets of all other callers. Their local copies are in a table of their own. */
  readonly unverifiedBuckets: BucketStore;
  /** Announces a revocation to the other gateways. Resolves to whether Redis stored it. */
  readonly announce: (revocation: Revocation) => Promise<boolean>;
  /** Whether Redis is reachable and runs the commands that requests need. */
  readonly isUp: () => boolean;
  /** Frees the memory of expired local buckets. */
  readonly trim: () => void;
  /** The reasons why requests are refused, for people; empty if there are none. */
  readonly notReady: () => string[];
  readonly close: () => void;
}

/** Connects to Redis. Rejects with `StoreError` if Redis is unreachable, or does not keep reservations. */
export async function openRedisStores(settings: RedisSettings, parts: RedisParts): Promise<RedisStores> {
  const { url, prefix, timeoutMs, tlsFiles, durable, windowMs, marginMs } = settings;
  const { clock, log, metrics, random, onRevocation } = parts;
  const address = addressOf(url);
  const reservedForMs = windowMs + marginMs;
  const epoch = new StoreEpoch({ prefix, durable, reservedForMs, marginMs });
  const health = new RedisHealth({ clock, log, reservedForMs, marginMs });
  const revocations = new RedisRevocations({ prefix, origin: crypto.randomUUID() });
  const monitor = new RedisMonitor({ address, epoch, health, revocations, onRevocation, log });
  const onError = (error: string) => metrics.count("sallyport_redis_errors_total", { error });
  const link = new RedisLink({ url, timeoutMs, tlsFiles, prepare: monitor.prepare, log, random, onError });
  await openLink(link, address);
  // The start waits, because each request during the quarantine would be refused and charged. A longer quarantine covers only
  // requests with timestamps beyond the margin.
  await Bun.sleep(Math.min(health.quarantinedMs, marginMs));
  monitor.start(link);
  return {
    replay: new RedisReplayStore(link, epoch, clock, { prefix, marginMs }),
    ...openBuckets(link, settings, clock),
    announce: (revocation) => revocations.announce(link.call, revocation).then(() => true, notAnnounced),
    isUp: () => link.downReason === undefined && !health.isFailing,
    notReady: () => (link.downReason === undefined ? health.notReady() : [`Redis is unreachable: ${link.downReason}`]),
    close() {
      monitor.stop();
      link.close();
    },
  };
}

async function openLink(link: RedisLink, address: string): Promise<void> {
  try {
    await link.open();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(`the Redis at ${address} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

function openBuckets(
  link: RedisLink,
  settings: RedisSettings,
  clock: Clock,
): Pick<RedisStores, "buckets" | "unverifiedBuckets" | "trim"> {
  const { prefix, onBucketsUnavailable: onUnavailable, bucketEntriesMax: entriesMax } = settings;
  const verified = new MemoryBucketStore({ entriesMax });
  const unverified = new MemoryBucketStore({ entriesMax });
  const exempt = new MemoryBucketStore({ entriesMax: settings.exemptBucketEntriesMax });
  const shared = (local: LocalBuckets) => new RedisBucketStore(link, local, { prefix, onUnavailable });
  return {
    buckets: shared(verified),
    unverifiedBuckets: shared(new SplitBucketStore({ exempt, unverified })),
    trim() {
      for (const store of [verified, unverified, exempt]) store.trim(clock.now());
    },
  };
}

function notAnnounced(error: unknown): false {
  rethrowUnlessUnavailable(error);
  return false;
}
