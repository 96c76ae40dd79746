import type { ReplayStore } from "../../core/admission.ts";
import type { VerifiedPeers } from "../../core/buckets.ts";
import type { Clock } from "../../core/clock.ts";
import type { HeldCounts } from "../../core/held-counts.ts";
import { PERMIT_ENTRIES_MAX, PERMIT_LEASE_MS } from "../../core/limits.ts";
import type { Metrics } from "../../core/telemetry.ts";
import { MemoryBucketStore } from "../memory/buckets.ts";
import { MemoryReplayStore } from "../memory/replay.ts";
import { SplitBucketStore } from "../memory/split-buckets.ts";
import { MemoryVerifiedPeers } from "../memory/verified-peers.ts";
import { SharedHeldCounts } from "./held-counts.ts";
import { mapSharedFile } from "./mapped-file.ts";
import { ProcessSlots } from "./process-slots.ts";
import { ProcessWatch } from "./process-watch.ts";
import { SegmentLock } from "./segment-lock.ts";
import type { SharedSettingNames } from "./shared-file.ts";
import { SharedTable, sharedTableLayout } from "./shared-table.ts";

export interface SharedStoreSettings {
  /** The fd of the shared file, or of a memory file without a name. */
  readonly file: number;
  readonly settingNames: SharedSettingNames;
  readonly replayEntriesMax: number;
  readonly bucketEntriesMax: number;
  readonly exemptBucketEntriesMax: number;
  /** Maximum number of connection counts. Each pair of a network and a process has its own count. */
  readonly connectionEntriesMax: number;
  /** Maximum number of verified peers, and how long a peer counts as verified. */
  readonly verifiedPeers: { readonly entriesMax: number; readonly ttlMs: number };
}

/** The stores of a gateway in one shared file. Every process of the gateway opens its own stores on the same file. */
export interface SharedFileStores {
  readonly replay: ReplayStore;
  readonly buckets: MemoryBucketStore;
  readonly unverifiedBuckets: SplitBucketStore;
  readonly verifiedPeers: VerifiedPeers;
  /** Counts the open connections by listener and network. The counts include the connections of all processes. */
  readonly heldConnections: HeldCounts;
  readonly heldPermits: HeldCounts;
  /** When the file was created, in Unix ms. The file contains all reservations made since then. */
  readonly replayCoverageStartMs: number;
  sample(metrics: Metrics): void;
  /** Removes the connection counts and failure permits of killed processes. Call this every second. */
  tidy(): void;
  /** Removes this process and its counts from the file. The file is kept for the next start. */
  close(): void;
}

/** Returns the size of the tables in the shared file, in bytes. */
export function sharedFileBytes(settings: Omit<SharedStoreSettings, "file" | "settingNames">): number {
  return sharedFileTables(settings).reduce((sum, bytes) => sum + bytes, 0);
}

/** Returns the size of each table in the shared file, in bytes. */
export function sharedFileTables(settings: Omit<SharedStoreSettings, "file" | "settingNames">): number[] {
  return tableEntries(settings).map((entries) => sharedTableLayout(entries).byteLength);
}

/** Opens the stores in a file. Throws `StoreError` if the file has other sizes or cannot be mapped. */
export function openSharedFileStores(settings: SharedStoreSettings, clock: Clock): SharedFileStores {
  const { replayEntriesMax, bucketEntriesMax: entriesMax, verifiedPeers } = settings;
  const layouts = tableEntries(settings).map(sharedTableLayout);
  const { file: fd, settingNames } = settings;
  const file = mapSharedFile({ fd, tables: sharedFileTables(settings), nowMs: clock.now(), settingNames });
  const { key: seed, createdMs: replayCoverageStartMs } = file;
  const processes = new ProcessSlots(file.slots);
  const self = processes.join();
  const monotonic = () => clock.monotonic();
  const lock = new SegmentLock({ self, isRunning: (id) => processes.isRunning(id), monotonic });
  const tables = layouts.map((layout, at) => new SharedTable(file.buffer, file.offsets[at] ?? 0, layout, lock));
  const [replay, verified, unverified, exempt, pairs, networks, connections, permits] = tables;
  if (!replay || !verified || !unverified || !exempt || !pairs || !networks || !connections || !permits)
    throw new Error("a table is missing");
  const bucketStore = (table: SharedTable) => new MemoryBucketStore({ entriesMax, table, seed });
  const watch = new ProcessWatch(processes, monotonic);
  const held = { seed, self, processes, watch };
  const heldConnections = new SharedHeldCounts({ ...held, table: connections, leaseMs: 0 });
  const heldPermits = new SharedHeldCounts({ ...held, table: permits, leaseMs: PERMIT_LEASE_MS });
  const forget = (id: number) => {
    for (const counts of [heldConnections, heldPermits]) counts.forget(id);
  };
  return {
    ...{ heldConnections, heldPermits, replayCoverageStartMs },
    replay: new MemoryReplayStore(clock, { entriesMax: replayEntriesMax, table: replay, seed }),
    buckets: bucketStore(verified),
    unverifiedBuckets: new SplitBucketStore({ exempt: bucketStore(exempt), unverified: bucketStore(unverified) }),
    verifiedPeers: new MemoryVerifiedPeers({ ...verifiedPeers, tables: { pairs, networks }, seed }),
    sample(metrics) {
      metrics.gauge("sallyport_replay_entries", replay.occupied);
      metrics.gauge("sallyport_bucket_entries", verified.occupied, { of: "verified" });
      metrics.gauge("sallyport_bucket_entries", unverified.occupied, { of: "unverified" });
    },
    tidy() {
      for (const counts of [heldConnections, heldPermits]) counts.retry();
      for (const id of watch.deadFor(PERMIT_LEASE_MS)) {
        forget(id);
        processes.free(id);
      }
    },
    close() {
      forget(self);
      processes.leave(self);
    },
  };
}

/** The maximum number of entries of each table, in the order of the tables in the file. */
function tableEntries(settings: Omit<SharedStoreSettings, "file" | "settingNames">): number[] {
  const { replayEntriesMax, bucketEntriesMax, exemptBucketEntriesMax, verifiedPeers, connectionEntriesMax } = settings;
  const buckets = [bucketEntriesMax, bucketEntriesMax, exemptBucketEntriesMax];
  const peers = [verifiedPeers.entriesMax, verifiedPeers.entriesMax];
  return [replayEntriesMax, ...buckets, ...peers, connectionEntriesMax, PERMIT_ENTRIES_MAX];
}
