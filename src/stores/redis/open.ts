import type { ReplayStore } from "../../core/admission.ts";
import type { AnswerBounds } from "../../core/answers.ts";
import type { BucketStore } from "../../core/buckets.ts";
import { messageOf } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { Revocation } from "../../core/sessions.ts";
import { StoreError } from "../../core/start-error.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";
import { MemoryBucketStore } from "../memory/buckets.ts";
import { type LocalBuckets, SplitBucketStore } from "../memory/split-buckets.ts";
import { RedisAnswerStore } from "./answers.ts";
import { RedisBucketStore } from "./buckets.ts";
import { RedisLink } from "./link.ts";
import { RedisMonitor } from "./monitor.ts";
import { addressOf, rethrowUnlessUnavailable } from "./redis-call.ts";
import { RedisHealth } from "./redis-health.ts";
import type { RedisTlsFiles } from "./redis-tls.ts";
import { RedisReplayStore } from "./replay.ts";
import { RedisRevocations } from "./revocations.ts";
import { StoreEpoch } from "./store-epoch.ts";

export interface RedisSettings {
  readonly url: string;
  /** The prefix of every Redis key. */
  readonly prefix: string;
  /** The setting that contains the prefix. Error messages contain its name. */
  readonly prefixSetting: string;
  /** Timeout of one command, in ms. */
  readonly timeoutMs: number;
  /** What the bucket store does while Redis is unreachable; see `RedisBucketOptions.onUnavailable`. */
  readonly onBucketsUnavailable: "refuse" | "local";
  /** Whether Redis keeps every write across a restart and a failover. */
  readonly durable: boolean;
  readonly tlsFiles: RedisTlsFiles;
  /** The freshness window, in ms: how far a request's timestamp may differ from the gateway's clock. */
  readonly windowMs: number;
  /**
   * How long a reservation is kept after the freshness window of its request, in ms. Also the maximum allowed difference
   * between the clocks of this gateway and of the Redis server.
   */
  readonly marginMs: number;
  /** Maximum number of bucket copies in each local table. The table for the scope `session_failures` has another maximum. */
  readonly bucketEntriesMax: number;
  /**
   * Maximum number of bucket copies in the local table for the scope `session_failures`. Each recently verified session can have
   * a bucket of this scope.
   */
  readonly exemptBucketEntriesMax: number;
  readonly answers: AnswerBounds;
}

/** The tables for the local copies of buckets. They may be in memory that several processes share. */
export interface LocalTables {
  readonly verified: LocalBuckets;
  readonly unverified: LocalBuckets;
}

export interface RedisParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
  /** Called for each revocation that another gateway announced. */
  readonly onRevocation: (revocation: Revocation) => void;
}

/** The stores that several gateways share through Redis. */
export interface RedisStores {
  readonly replay: ReplayStore;
  readonly answers: RedisAnswerStore;
  /** Buckets of requests that passed checks 1 to 6. */
  readonly buckets: BucketStore;
  /** Buckets for failures and public calls. Their local copies are in separate tables. */
  readonly unverifiedBuckets: BucketStore;
  /** Sends an operator's revocation to the other gateways. Resolves to `true` if Redis stored it. */
  readonly announce: (revocation: Revocation) => Promise<boolean>;
  /** Whether Redis is reachable and runs the commands that requests need. */
  readonly isUp: () => boolean;
  /** Frees the memory of expired local copies of buckets. Returns the number of freed bytes. */
  readonly trim: () => number;
  /** Returns the reasons why requests are refused, as messages for operators. Empty if requests are accepted. */
  readonly notReady: () => string[];
  readonly close: () => void;
}

/** Connects to Redis. Rejects with `StoreError` if Redis is unreachable, or if it may lose reservations. */
export async function openRedisStores(
  settings: RedisSettings & { readonly local: LocalTables | undefined },
  parts: RedisParts,
): Promise<RedisStores> {
  const { url, prefix, prefixSetting, timeoutMs, tlsFiles, durable, windowMs, marginMs } = settings;
  const { clock, log, metrics, random, onRevocation } = parts;
  const address = addressOf(url);
  const reservedForMs = windowMs + marginMs;
  const epoch = new StoreEpoch({ prefix, durable, reservedForMs, marginMs });
  const health = new RedisHealth({ clock, log, reservedForMs, marginMs });
  const origin = crypto.randomUUID();
  const revocations = new RedisRevocations({ prefix, origin });
  const monitor = new RedisMonitor({ address, epoch, health, revocations, onRevocation, log });
  const onError = (error: string) => metrics.count("sallyport_redis_errors_total", { error });
  const link = new RedisLink({
    url,
    timeoutMs,
    keySetting: prefixSetting,
    tlsFiles,
    prepare: monitor.prepare,
    log,
    random,
    onError,
  });
  await openLink(link, address);
  // Waits until newly signed requests are accepted. Otherwise, each refused request would spend the failure budget of its network.
  //
  // Waits at most `marginMs`. More time is needed only if the timestamp of an earlier request was more than `marginMs` ahead of
  // the clock of the Redis server.
  const waitMs = Math.min(health.quarantinedMs, marginMs);
  if (waitMs > 0) log.info("start delayed by redis quarantine", { for_ms: Math.ceil(waitMs) });
  await Bun.sleep(waitMs);
  monitor.start(link);
  const onEvicted = (answers: number) => metrics.count("sallyport_answers_evicted_total", {}, answers);
  const answers = new RedisAnswerStore(link, epoch, clock, { ...settings.answers, prefix, origin, random, onEvicted });
  return {
    answers,
    replay: new RedisReplayStore(link, epoch, clock, { prefix, marginMs }),
    ...openBuckets(link, settings, clock),
    announce: (revocation) => revocations.announce(link.call, revocation).then(() => true, notAnnounced),
    isUp: () => link.downReason === undefined && !health.isFailing,
    notReady: () => (link.downReason === undefined ? health.notReady() : [`Redis is unreachable: ${link.downReason}`]),
    close() {
      monitor.stop();
      answers.close();
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
  settings: RedisSettings & { readonly local: LocalTables | undefined },
  clock: Clock,
): Pick<RedisStores, "buckets" | "unverifiedBuckets" | "trim"> {
  const { prefix, onBucketsUnavailable: onUnavailable, bucketEntriesMax: entriesMax } = settings;
  const shared = (local: LocalBuckets) => new RedisBucketStore(link, local, { prefix, onUnavailable });
  if (settings.local !== undefined) {
    const { verified, unverified } = settings.local;
    return { buckets: shared(verified), unverifiedBuckets: shared(unverified), trim: () => 0 };
  }
  const verified = new MemoryBucketStore({ entriesMax });
  const unverified = new MemoryBucketStore({ entriesMax });
  const exempt = new MemoryBucketStore({ entriesMax: settings.exemptBucketEntriesMax });
  return {
    buckets: shared(verified),
    unverifiedBuckets: shared(new SplitBucketStore({ exempt, unverified })),
    trim: () => verified.trim(clock.now()) + unverified.trim(clock.now()) + exempt.trim(clock.now()),
  };
}

function notAnnounced(error: unknown): false {
  rethrowUnlessUnavailable(error);
  return false;
}
