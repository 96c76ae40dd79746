import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { RedisCall } from "../../../../src/stores/redis/connection.ts";
import { RedisRevocations } from "../../../../src/stores/redis/revocations.ts";
import { RedisUnavailable } from "../../../../src/stores/redis/unavailable.ts";
import { NO_REDIS, TestRedis } from "../../../support/redis.ts";

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "revocations on a real Redis", () => {
  let redis: TestRedis;
  const call: RedisCall = (command, args) => redis.ask(command, ...args);
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.close());

  test("reach every other gateway once, in order, and not the one that made them", async () => {
    const [a, b] = ["a", "b"].map((origin) => new RedisRevocations({ prefix: "one:", origin }));
    for (const each of [a, b]) await each?.connected(call);
    await a?.announce(call, { deviceSessionId: "s-1" });
    await a?.announce(call, { userId: "u-1" });
    expect(await b?.news(call)).toMatchObject([{ deviceSessionId: "s-1" }, { userId: "u-1", deviceSessionId: "" }]);
    expect(await b?.news(call)).toEqual([]);
    expect(await a?.news(call)).toEqual([]);
  });

  test("of before its start are no news to a gateway: what it knows, it has looked up since", async () => {
    await new RedisRevocations({ prefix: "two:", origin: "a" }).announce(call, { userId: "u-1" });
    const late = new RedisRevocations({ prefix: "two:", origin: "b" });
    await late.connected(call);
    expect(await late.news(call)).toEqual([]);
    // A new connection to the same memory is no reason to hear it all.
    await late.connected(call);
    expect(await late.news(call)).toEqual([]);
  });

  test("of while it was out of reach are news when it is back", async () => {
    const [a, b] = ["a", "b"].map((origin) => new RedisRevocations({ prefix: "three:", origin }));
    await b?.connected(call);
    await a?.announce(call, { userId: "u-1" });
    const away: RedisCall = () => Promise.reject(new RedisUnavailable("away"));
    expect(await b?.news(away).catch((error) => error)).toBeInstanceOf(RedisUnavailable);
    expect(await b?.news(call)).toMatchObject([{ userId: "u-1" }]);
  });

  test("are read from the beginning where Redis has lost its memory, and counts anew", async () => {
    const [a, b] = ["a", "b"].map((origin) => new RedisRevocations({ prefix: "five:", origin }));
    await redis.ask("XADD", "five:revocations", "9999999999999-0", "user", "u-0");
    await b?.connected(call);
    await redis.ask("DEL", "five:revocations");
    await a?.announce(call, { userId: "u-1" });
    await b?.connected(call);
    expect(await b?.news(call)).toMatchObject([{ userId: "u-1" }]);
  });

  test("do not pile up", async () => {
    const all = new RedisRevocations({ prefix: "four:", origin: "a" });
    const fill = "for i = 1, 20000 do redis.call('XADD', KEYS[1], '*', 'user', 'u') end";
    await redis.ask("EVAL", fill, "1", "four:revocations");
    await all.announce(call, { userId: "u-1" });
    expect(Number(await redis.ask("XLEN", "four:revocations"))).toBeLessThan(11_000);
  });
});
