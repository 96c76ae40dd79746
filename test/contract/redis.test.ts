import { afterAll, beforeAll, describe } from "bun:test";
import type { Log } from "../../src/core/ports.ts";
import { MemoryBucketStore } from "../../src/stores/memory/buckets.ts";
import { RedisBucketStore } from "../../src/stores/redis/buckets.ts";
import { Continuity } from "../../src/stores/redis/continuity.ts";
import { RedisLink } from "../../src/stores/redis/link.ts";
import { RedisReplayStore } from "../../src/stores/redis/replay.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { bucketStoreContract } from "./bucket-store.contract.ts";
import { replayStoreContract } from "./replay-store.contract.ts";

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "on a real Redis", () => {
  let redis: TestRedis;
  let link: RedisLink;
  let opened = 0;
  beforeAll(async () => {
    redis = await TestRedis.start();
    const options = { url: redis.url, timeoutMs: 5000, log: SILENT, random: () => 0.5 };
    link = new RedisLink({ ...options, greet: async () => {} });
    await link.open();
  });
  afterAll(async () => {
    link.close();
    await redis.close();
  });

  replayStoreContract({
    name: "Redis",
    ownsClock: false,
    async open() {
      const prefix = `test-${opened++}:`;
      const continuity = new Continuity({ prefix, durable: false, reservedForMs: 65_000, marginMs: 5000 });
      await continuity.enrol(link.call, "this-server");
      const clock = { now: () => Date.now(), monotonic: () => performance.now() };
      return {
        store: new RedisReplayStore(link, continuity, clock, { prefix, marginMs: 5000 }),
        nowMs: () => clock.now(),
        advance: (ms) => Bun.sleep(ms),
        close() {},
      };
    },
  });

  bucketStoreContract({
    name: "Redis",
    propertyRuns: 30,
    open() {
      const near = new MemoryBucketStore({ entriesMax: 1000 });
      const options = { prefix: `test-${opened++}:`, onUnavailable: "refuse", clock: "caller" } as const;
      return { store: new RedisBucketStore(link, near, options), close() {} };
    },
  });
});
