/**
 * A process on a shared file. The parameter is `{file: path, operations}`. Answers `work` with the nanoseconds per reservation with its take of three
 * buckets, over that many operations on sessions of its own.
 */
import { systemClock } from "../../../src/core/clock.ts";
import { openStoresAt } from "../../support/shared-stores.ts";
import { answerParent, parameters } from "../child.ts";

const ENTRIES = 200_000;
const SESSIONS = 10_000;
const BUDGET = { ratePerSecond: 1e6, burst: 1e6 };

const { path, operations } = parameters<{ path: string; operations: number }>();
const { replay, buckets } = openStoresAt(
  path,
  {
    settingNames: { file: "the shared file", sizes: "the sizes" },
    replayEntriesMax: 10 * ENTRIES,
    bucketEntriesMax: ENTRIES,
    connectionEntriesMax: 1000,
    exemptBucketEntriesMax: 1000,
    verifiedPeers: { entriesMax: 1000, ttlMs: 30_000 },
  },
  systemClock,
);

async function work(): Promise<number> {
  const startedMs = performance.now();
  for (let n = 0; n < operations; n++) {
    const session = `${process.pid}-${n % SESSIONS}`;
    const nowMs = systemClock.now();
    await replay.reserve(session, `request-${nowMs}-${n}`, nowMs + 2000);
    await buckets.take(
      [
        { scope: "ip", key: session, budget: BUDGET },
        { scope: "session", key: session, budget: BUDGET },
        { scope: "user", key: session, budget: BUDGET },
      ],
      nowMs,
    );
  }
  return ((performance.now() - startedMs) / operations) * 1e6;
}

answerParent({ port: 0 }, { work });
