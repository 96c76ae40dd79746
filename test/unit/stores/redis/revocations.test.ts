import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type RedisCall, RedisUnavailable } from "../../../../src/stores/redis/redis-call.ts";
import { RedisRevocations } from "../../../../src/stores/redis/revocations.ts";
import { NO_REDIS, TestRedis } from "../../../support/redis.ts";

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "revocations on a real Redis", () => {
  let redis: TestRedis;
  const call: RedisCall = (command, args) => redis.ask(command, ...args);
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.close());

  test("reach every other gateway once, in order, and never the gateway that announced them", async () => {
    const [a, b] = ["a", "b"].map((origin) => new RedisRevocations({ prefix: "one:", origin }));
    for (const each of [a, b]) await each?.connected(call);
    await a?.announce(call, { deviceSessionId: "s-1" });
    await a?.announce(call, { userId: "u-1" });
    expect(await b?.poll(call)).toMatchObject([{ deviceSessionId: "s-1" }, { userId: "u-1", deviceSessionId: "" }]);
    expect(await b?.poll(call)).toEqual([]);
    expect(await a?.poll(call)).toEqual([]);
  });

  test("from before a gateway's start are skipped: it looked up every session later", async () => {
    await new RedisRevocations({ prefix: "two:", origin: "a" }).announce(call, { userId: "u-1" });
    const late = new RedisRevocations({ prefix: "two:", origin: "b" });
    await late.connected(call);
    expect(await late.poll(call)).toEqual([]);
    // A reconnect to the same server does not read them either.
    await late.connected(call);
    expect(await late.poll(call)).toEqual([]);
  });

  test("from an outage are read after the reconnect", async () => {
    const [a, b] = ["a", "b"].map((origin) => new RedisRevocations({ prefix: "three:", origin }));
    await b?.connected(call);
    await a?.announce(call, { userId: "u-1" });
    const unreachable: RedisCall = () => Promise.reject(new RedisUnavailable("unreachable"));
    expect(await b?.poll(unreachable).catch((error) => error)).toBeInstanceOf(RedisUnavailable);
    expect(await b?.poll(call)).toMatchObject([{ userId: "u-1" }]);
  });

  test("are read from the start of the stream after Redis lost it and its ids start over", async () => {
    const [a, b] = ["a", "b"].map((origin) => new RedisRevocations({ prefix: "five:", origin }));
    await redis.ask("XADD", "five:revocations", "9999999999999-0", "user", "u-0");
    await b?.connected(call);
    await redis.ask("DEL", "five:revocations");
    await a?.announce(call, { userId: "u-1" });
    await b?.connected(call);
    expect(await b?.poll(call)).toMatchObject([{ userId: "u-1" }]);
  });

  test("are trimmed: the stream stays below 11,000 entries", async () => {
    const all = new RedisRevocations({ prefix: "four:", origin: "a" });
    const fill = "for i = 1, 20000 do redis.call('XADD', KEYS[1], '*', 'user', 'u') end";
    await redis.ask("EVAL", fill, "1", "four:revocations");
    await all.announce(call, { userId: "u-1" });
    expect(Number(await redis.ask("XLEN", "four:revocations"))).toBeLessThan(11_000);
  });
});
