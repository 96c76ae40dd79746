import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { BucketDemand } from "../../../../src/core/buckets.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { MemoryBucketStore } from "../../../../src/stores/memory/buckets.ts";
import { type RedisBucketOptions, RedisBucketStore } from "../../../../src/stores/redis/buckets.ts";
import { RedisLink } from "../../../../src/stores/redis/link.ts";
import { RedisReplayStore } from "../../../../src/stores/redis/replay.ts";
import { StoreEpoch } from "../../../../src/stores/redis/store-epoch.ts";
import { NO_REDIS, TestRedis } from "../../../support/redis.ts";
import { RunningClock } from "../../../support/running-clock.ts";
import { SILENT_LOG } from "../../../support/silent-log.ts";

/** Behaviour that only the Redis stores have. The contract suites in test/contract cover the rest. */

const DEMAND: BucketDemand = { scope: "public_identity", key: "a@example.com", budget: { ratePerSecond: 0.001, burst: 4 } };
const WINDOW_MS = 60_000;
const MARGIN_MS = 5000;
const HOUR_MS = 3_600_000;

function epochOf(prefix: string, durable = false): StoreEpoch {
  return new StoreEpoch({ prefix, durable, reservedForMs: WINDOW_MS + MARGIN_MS, marginMs: MARGIN_MS });
}

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "on a real Redis", () => {
  let redis: TestRedis;
  let link: RedisLink;
  let prefixes = 0;
  const newPrefix = () => `unit-${prefixes++}:`;
  const newLink = async (of: TestRedis) => {
    const opened = new RedisLink({
      url: of.url,
      timeoutMs: 2000,
      keySetting: "the prefix",
      log: SILENT_LOG,
      random: () => 0.5,
      prepare: async () => {},
    });
    await opened.open();
    return opened;
  };
  beforeAll(async () => {
    redis = await TestRedis.start();
    link = await newLink(redis);
  });
  afterAll(async () => {
    link.close();
    await redis.close();
  });

  const bucketsOf = (of: RedisLink, options: Partial<RedisBucketOptions> = {}) =>
    new RedisBucketStore(of, new MemoryBucketStore({ entriesMax: 100 }), {
      prefix: newPrefix(),
      onUnavailable: "refuse",
      ...options,
    });

  /** A replay store without quarantine, unless `runId` is not that of the first call. */
  async function replayOf(prefix: string, clockAheadMs = 0, runId = "run-1") {
    if (!(await keysOf(prefix)).includes(`${prefix}continuity`)) await epochOf(prefix, true).join(link.call, runId);
    const epoch = epochOf(prefix);
    await epoch.join(link.call, runId);
    const clock = new RunningClock(clockAheadMs);
    const options = { prefix, marginMs: MARGIN_MS };
    return { store: new RedisReplayStore(link, epoch, clock, options), clock, epoch };
  }

  async function keysOf(prefix: string): Promise<string[]> {
    const keys = await redis.ask("KEYS", `${prefix}*`);
    return Array.isArray(keys) ? keys.map(String).sort() : [];
  }

  describe("buckets", () => {
    test("gateways whose clocks differ by an hour get one burst in all", async () => {
      const prefix = newPrefix();
      const stores = [bucketsOf(link, { prefix }), bucketsOf(link, { prefix })];
      let given = 0;
      for (let at = 0; at < 20; at++) {
        for (const [index, store] of stores.entries()) {
          if ((await store.take([DEMAND], Date.now() + index * HOUR_MS)) === true) given++;
        }
      }
      expect(given).toBe(DEMAND.budget.burst);
    });

    test("a bucket's key expires when it is full again, and does not reveal its owner", async () => {
      const prefix = newPrefix();
      await bucketsOf(link, { prefix }).take([DEMAND, { ...DEMAND, key: "x".repeat(10_000) }], 0);
      const keys = await keysOf(prefix);
      expect(keys).toHaveLength(2);
      for (const key of keys) {
        expect(key.length).toBeLessThan(64);
        expect(key).not.toContain("example");
        const ttlMs = Number(await redis.ask("PTTL", key));
        expect(ttlMs).toBeGreaterThan(990_000);
        expect(ttlMs).toBeLessThanOrEqual(1_000_000);
      }
    });

    test("without Redis, `take` refuses with a retry delay of a second, or uses the local buckets, as configured", async () => {
      const stopped = await TestRedis.start();
      const lost = await newLink(stopped);
      const local = bucketsOf(lost, { onUnavailable: "local" });
      expect(await local.take([DEMAND], 0)).toBe(true);
      await stopped.close();
      const refusing = bucketsOf(lost, { onUnavailable: "refuse" });
      const outcome = await refusing.take([DEMAND], 0);
      expect(outcome).toMatchObject({ refusedBy: "public_identity", retryAfterMs: 1000 });
      // The cause is for the log.
      expect(outcome !== true && String(outcome.cause)).toContain("the server closed the connection");
      // The local bucket continues from the shared one: one of four tokens is spent.
      const outcomes: unknown[] = [];
      for (let at = 0; at < 4; at++) outcomes.push(await local.take([DEMAND], 0));
      expect(outcomes.map((outcome) => outcome === true)).toEqual([true, true, true, false]);
      lost.close();
    });

    test("without Redis, `spend` uses the local buckets, even if `take` refuses", async () => {
      const stopped = await TestRedis.start();
      const lost = await newLink(stopped);
      const store = bucketsOf(lost, { onUnavailable: "refuse" });
      const failures: BucketDemand = { ...DEMAND, scope: "failures" };
      await store.spend(failures, 0);
      await stopped.close();
      for (let at = 1; at < failures.budget.burst; at++) {
        expect(store.check(failures, 0)).toBe(true);
        await store.spend(failures, 0);
      }
      expect(store.check(failures, 0)).toMatchObject({ refusedBy: "failures" });
      lost.close();
    });
  });

  describe("reservations", () => {
    test("expire on the server's clock", async () => {
      const prefix = newPrefix();
      const { store, clock } = await replayOf(prefix);
      const expiresAtMs = clock.now() + WINDOW_MS + MARGIN_MS;
      await store.reserve("session", "request-1", expiresAtMs);
      const key = (await keysOf(prefix)).find((each) => each.includes("request:")) ?? "";
      expect(Number(await redis.ask("PEXPIRETIME", key))).toBe(expiresAtMs);
    });

    test("are refused if the gateway's clock differs from the server's by more than the margin", async () => {
      for (const aheadMs of [-2 * MARGIN_MS, 2 * MARGIN_MS]) {
        const { store, clock } = await replayOf(newPrefix(), aheadMs);
        const refusal = await store.reserve("session", "request-1", clock.now() + WINDOW_MS).catch((error) => error);
        expect(refusal).toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
        expect(String(refusal.cause)).toContain("differ by");
      }
      const { store, clock } = await replayOf(newPrefix(), MARGIN_MS / 2);
      expect(await store.reserve("session", "request-1", clock.now() + WINDOW_MS)).toBe(true);
    });

    test("that may be lost are refused, with the delay until new requests are accepted", async () => {
      const prefix = newPrefix();
      await replayOf(prefix, 0, "run-1");
      const { store, clock } = await replayOf(prefix, 0, "run-2");
      const signedAt = (aheadMs: number) =>
        store.reserve("session", Bun.randomUUIDv7(), clock.now() + aheadMs + WINDOW_MS + MARGIN_MS).catch((error) => error);
      const refusal = await signedAt(0);
      expect(refusal).toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
      expect(refusal.retryAfterMs).toBeGreaterThan(MARGIN_MS - 1000);
      expect(refusal.retryAfterMs).toBeLessThanOrEqual(MARGIN_MS + 1);
      expect(await signedAt(MARGIN_MS + 1000)).toBe(true);
    });

    test("with timestamps far ahead are not accepted twice after a loss, at any gateway", async () => {
      const prefix = newPrefix();
      const gateways = [await replayOf(prefix), await replayOf(prefix)];
      const [first, second] = gateways.map(({ store }) => store);
      const expiresAtMs = Date.now() + 2 * WINDOW_MS + MARGIN_MS - 1000;
      expect(await first?.reserve("session", "far-ahead", expiresAtMs)).toBe(true);
      // Every reply carries the latest expiry, so the second gateway now knows it.
      expect(await second?.reserve("session", "request-1", Date.now() + WINDOW_MS)).toBe(true);
      await redis.ask("DEL", `${prefix}continuity`, ...(await keysOf(prefix)));
      await gateways[1]?.epoch.join(link.call, "run-2");
      const replay = await second?.reserve("session", "far-ahead", expiresAtMs).catch((error) => error);
      expect(replay).toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
    });
  });

  describe("the store epoch", () => {
    const join = (epoch: StoreEpoch, runId: string) => epoch.join(link.call, runId);

    test("starts without quarantine on a new durable Redis, and continues after a reconnect", async () => {
      const prefix = newPrefix();
      const first = epochOf(prefix, true);
      expect(await join(first, "run-1")).toBe(0);
      expect(await join(first, "run-1")).toBe(0);
      expect(await join(epochOf(prefix), "run-1")).toBe(0);
    });

    test("starts in quarantine on a new Redis that is not durable: it may have been killed together with all gateways", async () => {
      const quarantineMs = await join(epochOf(newPrefix()), "run-1");
      expect(quarantineMs).toBe(WINDOW_MS + 2 * MARGIN_MS);
    });

    test("ends with a restart, for every gateway, including one that starts afterwards", async () => {
      const prefix = newPrefix();
      const gateways = [epochOf(prefix), epochOf(prefix)];
      for (const gateway of gateways) await join(gateway, "run-1");
      await redis.ask("HSET", `${prefix}continuity`, "fence_ms", "0");
      for (const gateway of [...gateways, epochOf(prefix)]) {
        expect(await join(gateway, "run-2")).toBeGreaterThan(WINDOW_MS);
        expect(gateway.id).toStartWith("run-2.");
      }
    });

    test("continues after the restart of a durable server, and ends if its data is gone", async () => {
      const prefix = newPrefix();
      const gateway = epochOf(prefix, true);
      await join(gateway, "run-1");
      expect(await join(gateway, "run-2")).toBe(0);
      await redis.ask("DEL", `${prefix}continuity`);
      expect(await join(gateway, "run-2")).toBeGreaterThan(WINDOW_MS);
    });

    test("ends with a flush, even if a gateway that has just started joins first", async () => {
      const prefix = newPrefix();
      const old = epochOf(prefix);
      await join(old, "run-1");
      await redis.ask("DEL", `${prefix}continuity`);
      const young = epochOf(prefix);
      expect(await join(young, "run-2")).toBeGreaterThan(WINDOW_MS);
      expect(await join(old, "run-2")).toBeGreaterThan(WINDOW_MS);
      expect(young.id).toBe(old.id);
    });

    test("a check detects the end of the epoch, and a clock that ran ahead", async () => {
      const prefix = newPrefix();
      const gateway = epochOf(prefix, true);
      await join(gateway, "run-1");
      expect(await gateway.check(link.call)).toMatchObject({ isEnded: false, quarantineMs: 0 });
      gateway.noteExpiry(Date.now() + WINDOW_MS);
      await join(gateway, "run-1");
      await redis.ask("HSET", `${prefix}continuity`, "seen_ms", String(Date.now() + 5000));
      const { quarantineMs } = await gateway.check(link.call);
      expect(quarantineMs).toBeGreaterThan(4000);
      expect(quarantineMs).toBeLessThanOrEqual(5000);
      await redis.ask("DEL", `${prefix}continuity`);
      expect(await gateway.check(link.call)).toMatchObject({ isEnded: true });
    });

    test("a quarantine that started while the clock was ahead is shortened after the correction", async () => {
      const prefix = newPrefix();
      const gateway = epochOf(prefix);
      await join(gateway, "run-1");
      // As if the clock had been an hour ahead at the start of the quarantine.
      const hourAhead = String(Date.now() + HOUR_MS);
      await redis.ask("HSET", `${prefix}continuity`, "seen_ms", hourAhead, "fence_ms", hourAhead);
      expect((await gateway.check(link.call)).quarantineMs).toBe(WINDOW_MS + 2 * MARGIN_MS);
    });

    test("after a clock that ran ahead for years, the quarantine ends with the latest reservation", async () => {
      const prefix = newPrefix();
      const { store, epoch } = await replayOf(prefix);
      expect(await store.reserve("session", "request-1", Date.now() + WINDOW_MS)).toBe(true);
      await redis.ask("HSET", `${prefix}continuity`, "seen_ms", String(Date.now() + 1e11));
      const { quarantineMs } = await epoch.check(link.call);
      expect(quarantineMs).toBeGreaterThan(WINDOW_MS - 1000);
      expect(quarantineMs).toBeLessThan(WINDOW_MS + 1000);
      expect((await epoch.check(link.call)).quarantineMs).toBeLessThanOrEqual(quarantineMs);
    });
  });

  test("a script missing in the server's cache is sent again, and runs once", async () => {
    const store = bucketsOf(link);
    const once: BucketDemand = { ...DEMAND, budget: { ratePerSecond: 0.001, burst: 2 } };
    expect(await store.take([once], 0)).toBe(true);
    await redis.ask("SCRIPT", "FLUSH");
    expect(await store.take([once], 0)).toBe(true);
    expect(await store.take([once], 0)).not.toBe(true);
  });

  test("a server without free memory refuses requests, and keeps its reservations", async () => {
    const small = await TestRedis.start();
    const full = await newLink(small);
    const epoch = epochOf("small:");
    const options = { prefix: "small:", marginMs: MARGIN_MS };
    await small.ask("CONFIG", "SET", "maxmemory", "0");
    await epochOf("small:", true).join(full.call, "run-1");
    await epoch.join(full.call, "run-1");
    const store = new RedisReplayStore(full, epoch, systemClock, options);
    expect(await store.reserve("session", "request-1", systemClock.now() + WINDOW_MS)).toBe(true);
    await small.ask("CONFIG", "SET", "maxmemory", "1mb");
    const refusal = await store.reserve("session", "request-2", systemClock.now() + WINDOW_MS).catch((error) => error);
    expect(refusal).toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
    await small.ask("CONFIG", "SET", "maxmemory", "0");
    expect(await store.reserve("session", "request-1", systemClock.now() + WINDOW_MS)).toBe(false);
    full.close();
    await small.close();
  });
});
