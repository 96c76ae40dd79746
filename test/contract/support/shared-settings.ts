import type { BucketDemand } from "../../../src/core/buckets.ts";

/** Small tables, so that tests reach their bounds. */
export const SHARED_SETTINGS = {
  settingNames: { file: "the shared file", sizes: "the sizes" },
  replayEntriesMax: 4096,
  bucketEntriesMax: 1000,
  exemptBucketEntriesMax: 1000,
  connectionEntriesMax: 1000,
  verifiedPeers: { entriesMax: 1000, ttlMs: 30_000 },
};

/** The processes of `shared-hammer.ts` reserve the ids below this number. */
export const HAMMER_IDS = 3000;
export const HAMMER_BURST = 500;

/** The demands of one request: a bucket that all requests share, and one of its own kind. They practically never gain a token. */
export function hammerDemands(kind: number): BucketDemand[] {
  const budget = { ratePerSecond: 1e-6, burst: HAMMER_BURST };
  return [
    { scope: "ip", key: "all", budget: { ...budget, burst: 3 * HAMMER_BURST } },
    { scope: "user", key: `user-${kind}`, budget },
  ];
}
