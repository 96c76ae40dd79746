import { LocalHeldCounts } from "../../src/core/held-counts.ts";
import { MemoryAnswerStore } from "../../src/stores/memory/answers.ts";
import { MemoryBucketStore } from "../../src/stores/memory/buckets.ts";
import { MemoryReplayStore } from "../../src/stores/memory/replay.ts";
import { SessionCache } from "../../src/stores/memory/session-cache.ts";
import { SplitBucketStore } from "../../src/stores/memory/split-buckets.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { answerStoreContract } from "./answer-store.contract.ts";
import { bucketStoreContract } from "./bucket-store.contract.ts";
import { heldCountsContract } from "./held-counts.contract.ts";
import { replayStoreContract } from "./replay-store.contract.ts";
import { sessionDirectoryContract, TTL_MS, UNKNOWN_TTL_MS } from "./session-directory.contract.ts";

replayStoreContract({
  name: "memory",
  ownsClock: true,
  open() {
    const clock = new ManualClock();
    return {
      store: new MemoryReplayStore(clock, { entriesMax: 1000 }),
      nowMs: () => clock.now(),
      advance: (ms) => clock.advance(ms),
      step: (ms) => clock.step(ms),
      close() {},
    };
  },
});

bucketStoreContract({
  name: "memory",
  propertyRuns: 200,
  open: () => ({ store: new MemoryBucketStore({ entriesMax: 1000 }), close() {} }),
});

bucketStoreContract({
  name: "memory, split",
  propertyRuns: 50,
  open() {
    const table = () => new MemoryBucketStore({ entriesMax: 1000 });
    return { store: new SplitBucketStore({ exempt: table(), unverified: table() }), close() {} };
  },
});

sessionDirectoryContract({
  name: "memory",
  open(source, log) {
    const clock = new ManualClock();
    const cache = new SessionCache(source, log, clock, { ttlMs: TTL_MS, unknownTtlMs: UNKNOWN_TTL_MS, entriesMax: 100 });
    return {
      directory: cache,
      revoke: (revocation) => cache.revoke(revocation),
      clear: () => cache.clear(),
      advance: (ms) => clock.advance(ms),
      close() {},
    };
  },
});

answerStoreContract({
  name: "memory",
  propertyRuns: 200,
  open(bounds) {
    const clock = new ManualClock();
    let evicted = 0;
    const onEvicted = (answers: number) => {
      evicted += answers;
    };
    const store = new MemoryAnswerStore(clock, { ...bounds, onEvicted });
    return {
      gateways: [store, store],
      nowMs: () => clock.now(),
      advance(ms) {
        clock.advance(ms);
        store.trim();
      },
      evicted: () => evicted,
      close() {},
    };
  },
});

heldCountsContract({ name: "memory", open: () => ({ counts: new LocalHeldCounts() }) });
