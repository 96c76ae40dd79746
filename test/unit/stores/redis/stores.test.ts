import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { BucketDemand, Log } from "../../../../src/core/ports.ts";
import { MemoryBucketStore } from "../../../../src/stores/memory/buckets.ts";
import { type RedisBucketOptions, RedisBucketStore } from "../../../../src/stores/redis/buckets.ts";
import { RedisLink } from "../../../../src/stores/redis/link.ts";
import { RedisReplayStore } from "../../../../src/stores/redis/replay.ts";
import { Continuity } from "../../../../src/stores/redis/store-epoch.ts";
import { NO_REDIS, TestRedis } from "../../../support/redis.ts";

/** What is particular to the stores in Redis; what they share with the others is in test/contract. */

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };
const DEMAND: BucketDemand = { scope: "public_identity", key: "a@example.com", budget: { ratePerSecond: 0.001, burst: 4 } };
const WINDOW_MS = 60_000;
const MARGIN_MS = 5000;
const HOUR_MS = 3_600_000;

function continuityOf(prefix: string, durable = false): Continuity {
  return new Continuity({ prefix, durable, reservedForMs: WINDOW_MS + MARGIN_MS, marginMs: MARGIN_MS });
}

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "on a real Redis", () => {
  let redis: TestRedis;
  let link: RedisLink;
  let prefixes = 0;
  const newPrefix = () => `unit-${prefixes++}:`;
  const newLink = async (of: TestRedis) => {
    const opened = new RedisLink({ url: of.url, timeoutMs: 2000, log: SILENT, random: () => 0.5, greet: async () => {} });
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

  /** On a Redis that is whole, unless somebody has known another. */
  async function replayOf(prefix: string, clockAheadMs = 0, runId = "run-1") {
    if (!(await keysOf(prefix)).includes(`${prefix}continuity`)) await continuityOf(prefix, true).enrol(link.call, runId);
    const continuity = continuityOf(prefix);
    await continuity.enrol(link.call, runId);
    const clock = { now: () => Date.now() + clockAheadMs, monotonic: () => performance.now() };
    const options = { prefix, marginMs: MARGIN_MS };
    return { store: new RedisReplayStore(link, continuity, clock, options), clock, continuity };
  }

  async function keysOf(prefix: string): Promise<string[]> {
    const keys = await redis.ask("KEYS", `${prefix}*`);
    return Array.isArray(keys) ? keys.map(String).sort() : [];
  }

  describe("buckets", () => {
    test("gateways whose clocks are an hour apart get no more out of a bucket together than one alone", async () => {
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

    test("a bucket is gone from Redis when it is full again, and does not say whose it was", async () => {
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

    test("with Redis away, what asks for a token is refused for a second, or counted by each gateway: as configured", async () => {
      const gone = await TestRedis.start();
      const lost = await newLink(gone);
      const local = bucketsOf(lost, { onUnavailable: "local" });
      expect(await local.take([DEMAND], 0)).toBe(true);
      await gone.close();
      const refusing = bucketsOf(lost, { onUnavailable: "refuse" });
      const outcome = await refusing.take([DEMAND], 0);
      expect(outcome).toMatchObject({ refusedBy: "public_identity", retryAfterMs: 1000 });
      // And the log will say why.
      expect(outcome !== true && String(outcome.cause)).toContain("the server closed the connection");
      // From where the shared bucket stood: one of four tokens is gone.
      const outcomes: unknown[] = [];
      for (let at = 0; at < 4; at++) outcomes.push(await local.take([DEMAND], 0));
      expect(outcomes.map((outcome) => outcome === true)).toEqual([true, true, true, false]);
      lost.close();
    });

    test("with Redis away, failures are counted by each gateway, also where whatever asks for a token is refused", async () => {
      const gone = await TestRedis.start();
      const lost = await newLink(gone);
      const store = bucketsOf(lost, { onUnavailable: "refuse" });
      const failures: BucketDemand = { ...DEMAND, scope: "failures" };
      await store.spend(failures, 0);
      await gone.close();
      for (let at = 1; at < failures.budget.burst; at++) {
        expect(store.check(failures, 0)).toBe(true);
        await store.spend(failures, 0);
      }
      expect(store.check(failures, 0)).toMatchObject({ refusedBy: "failures" });
      lost.close();
    });
  });

  describe("reservations", () => {
    test("last until they expire on the server's clock", async () => {
      const prefix = newPrefix();
      const { store, clock } = await replayOf(prefix);
      const expiresAtMs = clock.now() + WINDOW_MS + MARGIN_MS;
      await store.reserve("session", "request-1", expiresAtMs);
      const key = (await keysOf(prefix)).find((each) => each.includes("request:")) ?? "";
      expect(Number(await redis.ask("PEXPIRETIME", key))).toBe(expiresAtMs);
    });

    test("are not made by a gateway whose clock is further from the server's than the margin", async () => {
      for (const aheadMs of [-2 * MARGIN_MS, 2 * MARGIN_MS]) {
        const { store, clock } = await replayOf(newPrefix(), aheadMs);
        const refusal = await store.reserve("session", "request-1", clock.now() + WINDOW_MS).catch((error) => error);
        expect(refusal).toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
        expect(String(refusal.cause)).toContain("ms apart");
      }
      const { store, clock } = await replayOf(newPrefix(), MARGIN_MS / 2);
      expect(await store.reserve("session", "request-1", clock.now() + WINDOW_MS)).toBe(true);
    });

    test("that may have been forgotten are refused, and the refusal says when new requests will be let in", async () => {
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

    test("of clients whose clocks are far ahead are not let in twice either, at whichever gateway", async () => {
      const prefix = newPrefix();
      const gateways = [await replayOf(prefix), await replayOf(prefix)];
      const [first, second] = gateways.map(({ store }) => store);
      const expiresAtMs = Date.now() + 2 * WINDOW_MS + MARGIN_MS - 1000;
      expect(await first?.reserve("session", "far-ahead", expiresAtMs)).toBe(true);
      // Any answer tells the second gateway how far requests reach that were let in.
      expect(await second?.reserve("session", "request-1", Date.now() + WINDOW_MS)).toBe(true);
      await redis.ask("DEL", `${prefix}continuity`, ...(await keysOf(prefix)));
      await gateways[1]?.continuity.enrol(link.call, "run-2");
      const replay = await second?.reserve("session", "far-ahead", expiresAtMs).catch((error) => error);
      expect(replay).toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
    });
  });

  describe("the continuity of the server's memory", () => {
    const enrol = (continuity: Continuity, runId: string) => continuity.enrol(link.call, runId);

    test("is whole on a new Redis that keeps everything, and for whoever connects again to the same server", async () => {
      const prefix = newPrefix();
      const first = continuityOf(prefix, true);
      expect(await enrol(first, "run-1")).toBe(0);
      expect(await enrol(first, "run-1")).toBe(0);
      expect(await enrol(continuityOf(prefix), "run-1")).toBe(0);
    });

    test("is not known of one without a memory: it may have been killed together with all gateways", async () => {
      const fenceInMs = await enrol(continuityOf(newPrefix()), "run-1");
      expect(fenceInMs).toBe(WINDOW_MS + 2 * MARGIN_MS);
    });

    test("ends with a restart, for every gateway, also for one that starts only then", async () => {
      const prefix = newPrefix();
      const gateways = [continuityOf(prefix), continuityOf(prefix)];
      for (const gateway of gateways) await enrol(gateway, "run-1");
      await redis.ask("HSET", `${prefix}continuity`, "fence_ms", "0");
      for (const gateway of [...gateways, continuityOf(prefix)]) {
        expect(await enrol(gateway, "run-2")).toBeGreaterThan(WINDOW_MS);
        expect(gateway.epoch).toStartWith("run-2.");
      }
    });

    test("does not end with the restart of a server that is known to keep everything", async () => {
      const prefix = newPrefix();
      const gateway = continuityOf(prefix, true);
      await enrol(gateway, "run-1");
      expect(await enrol(gateway, "run-2")).toBe(0);
      await redis.ask("DEL", `${prefix}continuity`);
      expect(await enrol(gateway, "run-2")).toBeGreaterThan(WINDOW_MS);
    });

    test("ends where everything is gone, even if a gateway that knows nothing of before comes first", async () => {
      const prefix = newPrefix();
      const old = continuityOf(prefix);
      await enrol(old, "run-1");
      await redis.ask("DEL", `${prefix}continuity`);
      const young = continuityOf(prefix);
      expect(await enrol(young, "run-2")).toBeGreaterThan(WINDOW_MS);
      expect(await enrol(old, "run-2")).toBeGreaterThan(WINDOW_MS);
      expect(young.epoch).toBe(old.epoch);
    });

    test("is seen to be lost by a look, and so is a clock that ran ahead for a while", async () => {
      const prefix = newPrefix();
      const gateway = continuityOf(prefix, true);
      await enrol(gateway, "run-1");
      expect(await gateway.look(link.call)).toMatchObject({ isInterrupted: false, fenceInMs: 0 });
      gateway.noteAhead(Date.now() + WINDOW_MS);
      await enrol(gateway, "run-1");
      await redis.ask("HSET", `${prefix}continuity`, "seen_ms", String(Date.now() + 5000));
      const { fenceInMs } = await gateway.look(link.call);
      expect(fenceInMs).toBeGreaterThan(4000);
      expect(fenceInMs).toBeLessThanOrEqual(5000);
      await redis.ask("DEL", `${prefix}continuity`);
      expect(await gateway.look(link.call)).toMatchObject({ isInterrupted: true });
    });

    test("is not doubted for longer because the clock was ahead when it was", async () => {
      const prefix = newPrefix();
      const gateway = continuityOf(prefix);
      await enrol(gateway, "run-1");
      // As if all that had been an hour from now.
      const hence = String(Date.now() + HOUR_MS);
      await redis.ask("HSET", `${prefix}continuity`, "seen_ms", hence, "fence_ms", hence);
      expect((await gateway.look(link.call)).fenceInMs).toBe(WINDOW_MS + 2 * MARGIN_MS);
    });

    test("after a clock that ran ahead for years: nothing is refused for longer than anything was to be remembered", async () => {
      const prefix = newPrefix();
      const { store, continuity } = await replayOf(prefix);
      expect(await store.reserve("session", "request-1", Date.now() + WINDOW_MS)).toBe(true);
      await redis.ask("HSET", `${prefix}continuity`, "seen_ms", String(Date.now() + 1e11));
      const { fenceInMs } = await continuity.look(link.call);
      expect(fenceInMs).toBeGreaterThan(WINDOW_MS - 1000);
      expect(fenceInMs).toBeLessThan(WINDOW_MS + 1000);
      expect((await continuity.look(link.call)).fenceInMs).toBeLessThanOrEqual(fenceInMs);
    });
  });

  test("a script that the server has forgotten is sent again, and runs once", async () => {
    const store = bucketsOf(link);
    const once: BucketDemand = { ...DEMAND, budget: { ratePerSecond: 0.001, burst: 2 } };
    expect(await store.take([once], 0)).toBe(true);
    await redis.ask("SCRIPT", "FLUSH");
    expect(await store.take([once], 0)).toBe(true);
    expect(await store.take([once], 0)).not.toBe(true);
  });

  test("a server that runs out of memory refuses requests, and forgets none", async () => {
    const small = await TestRedis.start();
    const full = await newLink(small);
    const continuity = continuityOf("small:");
    const clock = { now: () => Date.now(), monotonic: () => performance.now() };
    const options = { prefix: "small:", marginMs: MARGIN_MS };
    await small.ask("CONFIG", "SET", "maxmemory", "0");
    await continuityOf("small:", true).enrol(full.call, "run-1");
    await continuity.enrol(full.call, "run-1");
    const store = new RedisReplayStore(full, continuity, clock, options);
    expect(await store.reserve("session", "request-1", clock.now() + WINDOW_MS)).toBe(true);
    await small.ask("CONFIG", "SET", "maxmemory", "1mb");
    const refusal = await store.reserve("session", "request-2", clock.now() + WINDOW_MS).catch((error) => error);
    expect(refusal).toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
    await small.ask("CONFIG", "SET", "maxmemory", "0");
    expect(await store.reserve("session", "request-1", clock.now() + WINDOW_MS)).toBe(false);
    full.close();
    await small.close();
  });
});
