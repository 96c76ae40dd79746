import type { ReplayStore } from "../core/admission.ts";
import type { AnswerBounds, AnswerStore } from "../core/answers.ts";
import type { BucketStore, VerifiedPeers } from "../core/buckets.ts";
import type { Clock } from "../core/clock.ts";
import { pathShown } from "../core/file-problem.ts";
import { type HeldCounts, LocalHeldCounts } from "../core/held-counts.ts";
import type { Revocations } from "../core/revocations.ts";
import type { Revocation, SessionDirectory, SessionSource } from "../core/sessions.ts";
import type { Log, Metrics } from "../core/telemetry.ts";
import { MemoryAnswerStore } from "./memory/answers.ts";
import { MemoryBucketStore } from "./memory/buckets.ts";
import { MemoryReplayStore } from "./memory/replay.ts";
import { SessionCache } from "./memory/session-cache.ts";
import { SplitBucketStore } from "./memory/split-buckets.ts";
import { trimRegularly } from "./memory/trimming.ts";
import { MemoryVerifiedPeers } from "./memory/verified-peers.ts";
import { type LocalTables, openRedisStores, type RedisSettings } from "./redis/open.ts";
import { openSharedFileStores, sharedFileTables } from "./shared/open.ts";
import { type FileLocks, openSharedFile, type SharedSettingNames } from "./shared/shared-file.ts";

export interface StoreSettings {
  /** The settings of Redis. `undefined` if reservations and buckets are not in Redis. */
  readonly redis: RedisSettings | undefined;
  /**
   * The fd of the shared file, or of a memory file without a name. All processes of the gateway have it open. It contains verified
   * peers, connection counts and failure permits. Without Redis, it also contains reservations and buckets. With Redis, it also
   * contains local copies of buckets. `undefined` if the stores are in the private memory of this process.
   */
  readonly sharedMemory: number | undefined;
  readonly settingNames: SharedSettingNames;
  /** Maximum number of reservations. Not used with Redis. */
  readonly replayEntriesMax: number;
  /**
   * Maximum number of buckets per table. One table is for requests that passed checks 1 to 6. Another table is for failures and
   * public calls. With Redis, this limit applies to the local copies that the shared file contains.
   */
  readonly bucketEntriesMax: number;
  /**
   * Maximum number of buckets of the scope `session_failures`, which have their own table. With Redis, this limit applies to the
   * local copies that the shared file contains.
   */
  readonly exemptBucketEntriesMax: number;
  /** The limits for all kept answers. With Redis, these limits apply to the answers of all gateways together. */
  readonly answers: AnswerBounds;
  /** Maximum number of connection counts in the shared file. Each pair of a network and a process has its own count. */
  readonly connectionEntriesMax: number;
  readonly sessionCache: { readonly ttlMs: number; readonly unknownTtlMs: number; readonly entriesMax: number };
}

export interface StoreParts {
  readonly source: SessionSource;
  readonly revocations: Revocations;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
  /** Called for each revocation that another gateway announced. */
  readonly onRevocation: (revocation: Revocation) => void;
}

export interface Stores {
  readonly sessions: SessionDirectory;
  readonly replay: ReplayStore;
  /**
   * The time from which `replay` has all reservations, in Unix ms. If a request was signed earlier, its reservation may be
   * missing. `-Infinity` if `replay` keeps its reservations across restarts.
   */
  readonly replayCoverageStartMs: number;
  readonly answers: AnswerStore;
  /** The same store as `answers`, if it is in this process's memory; `undefined` with Redis. */
  readonly memoryAnswers?: MemoryAnswerStore | undefined;
  /** Buckets of requests that passed checks 1 to 6. */
  readonly buckets: BucketStore;
  /**
   * Buckets for failures and public calls. Their tables are separate from `buckets`, so that unknown clients cannot fill the table
   * of verified requests. The scope `session_failures` has its own table.
   */
  readonly unverifiedBuckets: BucketStore;
  readonly verifiedPeers: VerifiedPeers;
  /** The counts of open connections, by listener and network. */
  readonly heldConnections: HeldCounts;
  /** The counts of held failure permits, by failure bucket. */
  readonly heldPermits: HeldCounts;
  /**
   * Sends an operator's revocation to the other gateways that share these stores. Resolves to `true` if all of them will
   * receive it.
   */
  readonly announce: (revocation: Revocation) => Promise<boolean>;
  /** Updates the metrics of the stores. */
  readonly sample: (metrics: Metrics) => void;
  /** Returns the reasons why the stores refuse requests, as messages for operators. Empty if the stores accept requests. */
  readonly notReady: () => string[];
  readonly close: () => void;
}

/** Opens all stores. Rejects with `StoreError` if Redis or the shared file cannot be used. */
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
  const { sample, trim, close, ...shared } = await openAdmissionStores(settings, parts);
  const trimming = trimRegularly(() => sessions.trim() + trim());
  const sampleAll = (metrics: Metrics) => {
    metrics.gauge("sallyport_session_cache_entries", sessions.entries);
    sample(metrics);
  };
  const closeAll = () => {
    trimming.stop();
    close();
  };
  return { sessions, ...shared, sample: sampleAll, close: closeAll };
}

/**
 * All stores except the session cache. The session cache is never shared, because each gateway receives every revocation on its
 * own push feed.
 */
interface AdmissionStores extends Omit<Stores, "sessions"> {
  /** Frees the memory of expired entries. Returns the number of freed bytes. Call this every second. */
  readonly trim: () => number;
}

function openAdmissionStores(settings: StoreSettings, parts: StoreParts): AdmissionStores | Promise<AdmissionStores> {
  const { redis, sharedMemory } = settings;
  if (redis !== undefined) return openRedis(redis, settings, parts);
  return sharedMemory === undefined ? openMemory(settings, parts) : openFile(sharedMemory, settings, parts);
}

export interface StoreFileParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly locks: FileLocks;
  /** If true, the running process that this one replaces uses the file. The file must then exist and be usable. */
  readonly isInherited: boolean;
}

/**
 * Opens the shared file at `path`, or creates it. Returns its fd, for `StoreSettings.sharedMemory`. Throws `StoreError`. While the fd
 * is open in any process, no other gateway replaces the contents of the file.
 */
export function openStoreFile(path: string, settings: StoreSettings, parts: StoreFileParts): number {
  const { clock, log, locks, isInherited } = parts;
  const { settingNames } = settings;
  const tables = sharedFileTables(fileSettings(settings));
  const options = { path, tables, nowMs: clock.now(), settingNames, locks, log, isInherited };
  const { fd, isNew, createdMs } = openSharedFile(options);
  const created = new Date(createdMs).toISOString();
  log.info("shared store file opened", { file: pathShown(path), is_new: isNew, reservations_since: created });
  return fd;
}

/** Returns the settings that determine the sizes of the tables in the shared file. */
function fileSettings(settings: StoreSettings) {
  // With Redis, the reservations are in Redis. So the table of reservations in the file has the minimum size.
  const replayEntriesMax = settings.redis === undefined ? settings.replayEntriesMax : 1;
  return { ...settings, replayEntriesMax, verifiedPeers: settings.sessionCache };
}

/** Used if no other gateway shares the stores. `announce` then sends nothing and resolves to `true`. */
const ALONE = { announce: () => Promise.resolve(true), notReady: () => [] };

function openFile(file: number, settings: StoreSettings, parts: StoreParts): AdmissionStores {
  const answers = openAnswers(settings, parts);
  const { sample, tidy, ...stores } = openSharedFileStores({ ...fileSettings(settings), file }, parts.clock);
  const sampleAll = (metrics: Metrics) => {
    sample(metrics);
    sampleAnswers(answers, metrics);
  };
  const trim = () => {
    tidy();
    return answers.trim();
  };
  return { ...ALONE, ...stores, answers, memoryAnswers: answers, sample: sampleAll, trim };
}

function localCounts() {
  return { heldConnections: new LocalHeldCounts(), heldPermits: new LocalHeldCounts() };
}

/** Creates the store of kept answers in this process's own memory. */
function openAnswers({ answers }: StoreSettings, { clock, metrics }: StoreParts): MemoryAnswerStore {
  const onEvicted = (evicted: number) => metrics.count("sallyport_answers_evicted_total", {}, evicted);
  return new MemoryAnswerStore(clock, { ...answers, onEvicted });
}

function openMemory(settings: StoreSettings, parts: StoreParts): AdmissionStores {
  const { clock } = parts;
  const { replayEntriesMax, bucketEntriesMax: entriesMax, exemptBucketEntriesMax } = settings;
  const verifiedPeers = new MemoryVerifiedPeers(settings.sessionCache);
  const replay = new MemoryReplayStore(clock, { entriesMax: replayEntriesMax });
  const answers = openAnswers(settings, parts);
  const buckets = new MemoryBucketStore({ entriesMax });
  const unverified = new MemoryBucketStore({ entriesMax });
  const exempt = new MemoryBucketStore({ entriesMax: exemptBucketEntriesMax });
  const unverifiedBuckets = new SplitBucketStore({ exempt, unverified });
  const trim = () => {
    const nowMs = clock.now();
    const tables = replay.trim() + buckets.trim(nowMs) + unverified.trim(nowMs) + exempt.trim(nowMs);
    return tables + answers.trim() + verifiedPeers.trim(nowMs);
  };
  const sample = (metrics: Metrics) => {
    metrics.gauge("sallyport_replay_entries", replay.entries);
    sampleAnswers(answers, metrics);
    metrics.gauge("sallyport_bucket_entries", buckets.entries, { of: "verified" });
    metrics.gauge("sallyport_bucket_entries", unverified.entries, { of: "unverified" });
  };
  const stores = { replay, answers, memoryAnswers: answers, buckets, unverifiedBuckets, verifiedPeers, ...localCounts() };
  return { ...ALONE, ...stores, replayCoverageStartMs: clock.now(), sample, trim, close() {} };
}

async function openRedis(redis: RedisSettings, settings: StoreSettings, parts: StoreParts): Promise<AdmissionStores> {
  const host = openHostTables(settings, parts);
  try {
    const { isUp, trim, ...stores } = await openRedisStores({ ...redis, local: host.local }, parts);
    return {
      ...stores,
      ...host.tables,
      trim: () => trim() + host.trim(),
      replayCoverageStartMs: Number.NEGATIVE_INFINITY,
      sample(metrics) {
        metrics.gauge("sallyport_redis_up", isUp() ? 1 : 0);
        sampleAnswers(stores.answers, metrics);
      },
      close() {
        stores.close();
        host.close();
      },
    };
  } catch (error) {
    host.close();
    throw error;
  }
}

type HostTables = Pick<AdmissionStores, "verifiedPeers" | "heldConnections" | "heldPermits">;

/**
 * The stores that are never in Redis, and local copies of the buckets that are in Redis. If there is a shared file, it contains
 * both, and all processes of this gateway share them.
 */
interface Host {
  readonly tables: HostTables;
  /** The tables of the shared file for local copies of buckets; `undefined` if the copies are in this process's memory. */
  readonly local: LocalTables | undefined;
  readonly trim: () => number;
  readonly close: () => void;
}

function openHostTables(settings: StoreSettings, { clock }: StoreParts): Host {
  const { sharedMemory: file, sessionCache } = settings;
  if (file === undefined) {
    const verifiedPeers = new MemoryVerifiedPeers(sessionCache);
    const trim = () => verifiedPeers.trim(clock.now());
    return { tables: { ...localCounts(), verifiedPeers }, local: undefined, trim, close() {} };
  }
  const { verifiedPeers, heldConnections, heldPermits, buckets, unverifiedBuckets, tidy, close } = openSharedFileStores(
    { ...fileSettings(settings), file },
    clock,
  );
  const trim = () => {
    tidy();
    return 0;
  };
  const local = { verified: buckets, unverified: unverifiedBuckets };
  return { tables: { verifiedPeers, heldConnections, heldPermits }, local, trim, close };
}

function sampleAnswers({ entries, bytes }: { readonly entries: number; readonly bytes: number }, metrics: Metrics): void {
  metrics.gauge("sallyport_answer_entries", entries);
  metrics.gauge("sallyport_answer_bytes", bytes);
}
