import type { ReplayStore } from "../../core/admission.ts";
import type { BucketStore, VerifiedPeers } from "../../core/buckets.ts";
import type { Clock } from "../../core/clock.ts";
import type { Metrics } from "../../core/telemetry.ts";
import { MemoryBucketStore } from "../memory/buckets.ts";
import { MemoryReplayStore } from "../memory/replay.ts";
import { SplitBucketStore } from "../memory/split-buckets.ts";
import { MemoryVerifiedPeers } from "../memory/verified-peers.ts";
import { ProcessSlots } from "./process-slots.ts";
import { SegmentLock } from "./segment-lock.ts";
import { openSharedFile, type SharedFileOptions } from "./shared-file.ts";
import { SharedTable, sharedTableLayout } from "./shared-table.ts";

export interface SharedStoreSettings {
  readonly path: string;
  readonly replayEntriesMax: number;
  readonly bucketEntriesMax: number;
  readonly exemptBucketEntriesMax: number;
  /** Maximum number of verified peers, and how long a peer counts as verified. */
  readonly verifiedPeers: { readonly entriesMax: number; readonly ttlMs: number };
}

/** The stores of a gateway in one shared file. Every process of the gateway opens its own stores on the same file. */
export interface SharedFileStores {
  readonly replay: ReplayStore;
  readonly buckets: BucketStore;
  readonly unverifiedBuckets: BucketStore;
  readonly verifiedPeers: VerifiedPeers;
  /** When the file was created, in Unix ms. The file contains all reservations made since then. */
  readonly replayCoverageStartMs: number;
  /** Whether this call created the file. */
  readonly isNew: boolean;
  sample(metrics: Metrics): void;
  /** Frees the slot of this process in `ProcessSlots`. The file is kept for the next start. */
  close(): void;
}

/** Opens the stores. Creates the file if it does not exist. Throws `StoreError`. */
export function openSharedFileStores(
  settings: SharedStoreSettings,
  clock: Clock,
  lockFile: SharedFileOptions["lockFile"],
): SharedFileStores {
  const { replayEntriesMax, bucketEntriesMax, exemptBucketEntriesMax, verifiedPeers } = settings;
  const layouts = [
    replayEntriesMax,
    bucketEntriesMax,
    bucketEntriesMax,
    exemptBucketEntriesMax,
    verifiedPeers.entriesMax,
    verifiedPeers.entriesMax,
  ].map(sharedTableLayout);
  const tables = layouts.map(({ byteLength }) => byteLength);
  const file = openSharedFile({ path: settings.path, tables, nowMs: clock.now(), lockFile });
  const processes = new ProcessSlots(file.slots);
  const self = processes.join();
  const lock = new SegmentLock({ self, isRunning: (id) => processes.isRunning(id), monotonic: () => clock.monotonic() });
  const [replay, verified, unverified, exempt, pairs, networks] = layouts.map(
    (layout, at) => new SharedTable(file.buffer, file.offsets[at] ?? 0, layout, lock),
  );
  if (!replay || !verified || !unverified || !exempt || !pairs || !networks) throw new Error("a table is missing");
  const seed = file.key;
  const bucketStore = (table: SharedTable) => new MemoryBucketStore({ entriesMax: bucketEntriesMax, table, seed });
  return {
    replay: new MemoryReplayStore(clock, { entriesMax: replayEntriesMax, table: replay, seed }),
    buckets: bucketStore(verified),
    unverifiedBuckets: new SplitBucketStore({ exempt: bucketStore(exempt), unverified: bucketStore(unverified) }),
    verifiedPeers: new MemoryVerifiedPeers({ ...verifiedPeers, tables: { pairs, networks }, seed }),
    replayCoverageStartMs: file.createdMs,
    isNew: file.isNew,
    sample(metrics) {
      metrics.gauge("sallyport_replay_entries", replay.occupied);
      metrics.gauge("sallyport_bucket_entries", verified.occupied, { of: "verified" });
      metrics.gauge("sallyport_bucket_entries", unverified.occupied, { of: "unverified" });
    },
    close: () => processes.leave(self),
  };
}
