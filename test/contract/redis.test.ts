import { afterAll, beforeAll, describe } from "bun:test";
import { systemClock } from "../../src/core/clock.ts";
import { MemoryBucketStore } from "../../src/stores/memory/buckets.ts";
import { RedisAnswerStore } from "../../src/stores/redis/answers.ts";
import { RedisBucketStore } from "../../src/stores/redis/buckets.ts";
import { RedisLink } from "../../src/stores/redis/link.ts";
import { RedisReplayStore } from "../../src/stores/redis/replay.ts";
import { StoreEpoch } from "../../src/stores/redis/store-epoch.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { NO_REDIS_CLOCK, RedisClock } from "../support/redis-clock.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { answerStoreContract } from "./answer-store.contract.ts";
import { bucketStoreContract } from "./bucket-store.contract.ts";
import { replayStoreContract } from "./replay-store.contract.ts";

const openLink = async (redis: TestRedis) => {
  const link = new RedisLink({
    url: redis.url,
    timeoutMs: 5000,
    keySetting: "the prefix",
    log: SILENT_LOG,
    random: () => 0.5,
    prepare: async () => {},
  });
  await link.open();
  return link;
};

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "on a real Redis", () => {
  let redis: TestRedis;
  let link: RedisLink;
  let opened = 0;
  beforeAll(async () => {
    redis = await TestRedis.start();
    link = await openLink(redis);
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
      const epoch = new StoreEpoch({ prefix, durable: true, reservedForMs: 65_000, marginMs: 5000 });
      await epoch.join(link.call, "this-server");
      return {
        store: new RedisReplayStore(link, epoch, systemClock, { prefix, marginMs: 5000 }),
        nowMs: () => systemClock.now(),
        advance: (ms) => Bun.sleep(ms),
        close() {},
      };
    },
  });

  answerStoreContract({
    name: "Redis",
    propertyRuns: 30,
    async open(bounds) {
      const prefix = `test-${opened++}:`;
      const epoch = new StoreEpoch({ prefix, durable: true, reservedForMs: 65_000, marginMs: 5000 });
      await epoch.join(link.call, "this-server");
      let evicted = 0;
      const onEvicted = (answers: number) => {
        evicted += answers;
      };
      const open = (origin: string) => {
        const options = { ...bounds, prefix, origin, random: () => 0.5, onEvicted };
        return new RedisAnswerStore(link, epoch, systemClock, options);
      };
      const [one, two] = [open("gateway-1"), open("gateway-2")];
      return {
        gateways: [one, two],
        nowMs: () => Date.now(),
        advance: (ms) => Bun.sleep(ms),
        evicted: () => evicted,
        close() {
          one.close();
          two.close();
        },
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

const NO_CLOCKED_REDIS = NO_REDIS ?? NO_REDIS_CLOCK;

describe.skipIf(NO_CLOCKED_REDIS !== undefined)(NO_CLOCKED_REDIS ?? "on a real Redis whose clock the test sets", () => {
  const RESERVED_MS = 1000;
  let clock: RedisClock;
  let redis: TestRedis;
  let link: RedisLink;
  let opened = 0;
  beforeAll(async () => {
    clock = await RedisClock.open();
    redis = await TestRedis.start({ env: clock.env });
    link = await openLink(redis);
  });
  afterAll(async () => {
    link.close();
    await redis.close();
    await clock.close();
  });

  replayStoreContract({
    name: "Redis with a set clock",
    ownsClock: true,
    propertyRuns: 80,
    // Redis expires a key one ms after its expiry.
    graceMs: 1,
    async open() {
      const prefix = `test-${opened++}:`;
      const epoch = new StoreEpoch({ prefix, durable: true, reservedForMs: RESERVED_MS, marginMs: 0 });
      await epoch.join(link.call, "this-server");
      const now = () => clock.nowMs;
      const move = async (ms: number) => {
        clock.set(clock.nowMs + ms);
        // Redis deletes an expired key when it is accessed.
        await link.call("KEYS", [`${prefix}*`]);
        // The gateway checks the server every second.
        await epoch.check(link.call);
      };
      const options = { prefix, marginMs: 0 };
      const store = new RedisReplayStore(link, epoch, { now, monotonic: now }, options);
      return { store, nowMs: now, advance: move, step: move, close() {} };
    },
  });
});
