import { messageOf } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { BucketStore, Log, Metrics, ReplayStore, Revocation } from "../../core/ports.ts";
import { StoreError } from "../../core/store-error.ts";
import { MemoryBucketStore } from "../memory/buckets.ts";
import { type NearBuckets, SplitBucketStore } from "../memory/split-buckets.ts";
import { addressOf } from "./address.ts";
import { RedisBucketStore } from "./buckets.ts";
import type { RedisCall } from "./connection.ts";
import { RedisHealth } from "./health.ts";
import { RedisLink } from "./link.ts";
import { RedisReplayStore } from "./replay.ts";
import { RedisRevocations } from "./revocations.ts";
import { checkServer } from "./server-info.ts";
import { Continuity } from "./store-epoch.ts";
import { type RedisTlsFiles, readRedisTls } from "./tls.ts";
import { RedisUnavailable } from "./unavailable.ts";

/** What an operator can set. */
export interface RedisSettings {
  readonly url: string;
  /** The first characters of every key. */
  readonly prefix: string;
  /** Longest wait for an answer. */
  readonly timeoutMs: number;
  readonly onBucketsUnavailable: "refuse" | "local";
  /** Whether Redis keeps every write over a restart. */
  readonly durable: boolean;
  readonly tlsFiles: RedisTlsFiles;
  readonly windowMs: number;
  readonly marginMs: number;
  /** Buckets that this process remembers in each of its two tables. */
  readonly bucketEntriesMax: number;
  readonly exemptBucketEntriesMax: number;
}

export interface RedisParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Another gateway was told to revoke these. */
  readonly onRevocation: (revocation: Revocation) => void;
}

/** What several gateways share. */
export interface RedisStores {
  readonly replay: ReplayStore;
  /** The buckets of verified callers. */
  readonly buckets: BucketStore;
  /** Those of all others. What this gateway knows of them is in a table of its own. */
  readonly unverifiedBuckets: BucketStore;
  /** Tells the other gateways; gives whether Redis has it. */
  readonly announce: (revocation: Revocation) => Promise<boolean>;
  /** Whether Redis is in reach, and does what requests need. */
  readonly isUp: () => boolean;
  /** What keeps requests from being let in, in words; empty where nothing does. */
  readonly notReady: () => string[];
  readonly close: () => void;
}

const LOOK_EVERY_MS = 1000;

/** Connects to Redis. Throws `StoreError` where that cannot be had, or is not a server that reservations are safe with. */
export async function openRedisStores(
  settings: RedisSettings,
  { clock, log, metrics, random, onRevocation }: RedisParts,
): Promise<RedisStores> {
  const { url, prefix, timeoutMs, durable, windowMs, marginMs, bucketEntriesMax: entriesMax } = settings;
  const address = addressOf(url);
  const continuity = new Continuity({
    ...{ prefix, durable },
    ...{ reservedForMs: windowMs + marginMs, marginMs },
  });
  // A request that is signed now is reserved for so long.
  const health = new RedisHealth({ clock, log, reservedForMs: windowMs + marginMs, marginMs });
  const revocations = new RedisRevocations({ prefix, origin: crypto.randomUUID() });
  let isDeaf = false;
  const cannotHear = (error: unknown) => {
    unlessAway(error);
    // That is no reason to let nobody in.
    if (!isDeaf) log.warn("redis: what other gateways revoke cannot be read", { cause: messageOf(error) });
    isDeaf = true;
  };
  const hear = async (call: RedisCall) => {
    for (const revocation of await revocations.news(call)) onRevocation(revocation);
    isDeaf = false;
  };
  const greet = async (call: RedisCall) => {
    const server = checkServer(String(await call("INFO", [])), address);
    health.fenceIsIn(await continuity.enrol(call, server.runId));
    await health.look(call, continuity);
    await revocations.connected(call).catch(cannotHear);
    log.info("redis: connected", { address, server: server.name, version: server.version });
  };
  const onError = (error: string) => metrics.count("sallyport_redis_errors_total", { error });
  const link = new RedisLink({ url, timeoutMs, tls: () => readRedisTls(settings.tlsFiles), greet, log, random, onError });
  await link.open().catch((error: unknown) => {
    throw error instanceof StoreError
      ? error
      : new StoreError(`the Redis at ${address} cannot be used: ${messageOf(error)}`, { cause: error });
  });
  // Whoever came now would be refused, and charged for it. A fence further ahead than that is for few.
  await Bun.sleep(Math.min(health.fencedMs, marginMs));
  const look = async () => {
    const { epoch } = continuity;
    // A look that was under way while the link began anew knows the old epoch, and nothing new.
    const isWhole = (await health.look(link.call, continuity)) || epoch !== continuity.epoch;
    if (!isWhole) link.reset("the server has lost its memory");
    else await hear(link.call).catch((error) => link.away ?? cannotHear(error));
  };
  const cannotLook = (error: unknown) => {
    unlessAway(error);
    // Of a connection that is lost, the link tells.
    if (link.away === undefined) health.refuses(messageOf(error));
  };
  const looking = setInterval(() => look().catch(cannotLook), LOOK_EVERY_MS);
  const onUnavailable = settings.onBucketsUnavailable;
  const verified = new MemoryBucketStore({ entriesMax });
  const unverified = new MemoryBucketStore({ entriesMax });
  const exempt = new MemoryBucketStore({ entriesMax: settings.exemptBucketEntriesMax });
  const shared = (near: NearBuckets) => new RedisBucketStore(link, near, { prefix, onUnavailable });
  return {
    replay: new RedisReplayStore(link, continuity, clock, { prefix, marginMs }),
    buckets: shared(verified),
    unverifiedBuckets: shared(new SplitBucketStore({ exempt, unverified })),
    announce: (revocation) =>
      revocations.announce(link.call, revocation).then(
        () => true,
        (error: unknown) => {
          unlessAway(error);
          return false;
        },
      ),
    isUp: () => link.away === undefined && !health.isRefusing,
    notReady: () => (link.away === undefined ? health.notReady() : [`Redis is out of reach: ${link.away}`]),
    close() {
      clearInterval(looking);
      link.close();
    },
  };
}

/** The link says so itself. */
function unlessAway(error: unknown): void {
  if (!(error instanceof RedisUnavailable)) throw error;
}
