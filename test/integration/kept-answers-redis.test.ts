import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { COUNT, KEEPING_ROUTES, type KeepingGateways, openKeeping } from "../support/keeping-gateways.ts";
import { type KeyedCommand, send, signKeyed } from "../support/keyed-commands.ts";
import { runCommand } from "../support/process.ts";
import { NO_REDIS, type TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric } from "../support/world.ts";

/** What a Redis that refuses, hangs or loses its memory, and a gateway that is killed, mean for kept answers. */

const [CONNECT = expect.unreachable()] = VARIANTS;
const KEY = "key-12345678";

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "answers kept in Redis", () => {
  let keeping: KeepingGateways;
  let redis: TestRedis;
  let device: Device;
  beforeEach(async () => {
    keeping = await openKeeping("Redis", { "freshness.margin_ms": 1000, "stores.redis.timeout_ms": 1000 });
    redis = keeping.redis ?? expect.unreachable();
    device = await keeping.world.login();
  });
  afterEach(() => keeping.close());

  const attempt = async (command: Partial<KeyedCommand> = {}, gateway = 0) => {
    const request = await signKeyed(device, { messageType: COUNT, idempotencyKey: KEY, ...command });
    return send(keeping.transport(CONNECT, gateway), request);
  };

  /** Repeats the command until Redis is back. Resolves to its answer. */
  const untilServed = async (gateway: number) => {
    const texts: string[] = [];
    const isServed = async () => {
      texts.push((await attempt({}, gateway)).text);
      return texts.at(-1) !== "REPLAY_STORE_UNAVAILABLE";
    };
    await until(isServed, "Redis to be back");
    return texts.at(-1);
  };

  test.each(["-pexpire", "-hset", "-zadd", "-hincrby", "-del"])(
    "a Redis that refuses what a claim needs (%s): refused, and the backend is not called",
    async (rights) => {
      await redis.ask("ACL", "SETUSER", "default", rights);
      expect((await attempt()).text).toBe("REPLAY_STORE_UNAVAILABLE");
      expect(keeping.executed).toEqual([]);
      await redis.ask("ACL", "SETUSER", "default", "+@all");
      await until(async () => (await attempt()).text.startsWith("ok "), "the gateway to recover");
      expect(keeping.executed).toHaveLength(1);
    },
  );

  test("a Redis that begins to refuse while the backend works: the answer is given, and counted as not kept", async () => {
    keeping.answer(async (at) => {
      await redis.ask("ACL", "SETUSER", "default", "-zadd");
      return Response.json({ execution: at });
    });
    expect((await attempt()).text).toBe('ok {"execution":0}');
    expect(await metric(keeping.world.gateway, "sallyport_answers_total", '{outcome="not_kept"}')).toBe(1);
    // The same gateway still has the answer, and stores it as soon as it can.
    expect(await attempt()).toEqual({ text: 'ok {"execution":0}', replayed: "true" });
    await redis.ask("ACL", "SETUSER", "default", "+@all");
    await until(async () => Number(await redis.ask("ZCARD", "sallyport:answers:age")) === 1, "the answer to be stored");
    expect(await attempt({}, 1)).toEqual({ text: 'ok {"execution":0}', replayed: "true" });
    expect(keeping.executed).toHaveLength(1);
  });

  test("a Redis that hangs while the backend answers: the answer is given, and stored when Redis is back", async () => {
    keeping.answer((at) => {
      redis.suspend();
      return Response.json({ execution: at });
    });
    expect((await attempt()).text).toBe('ok {"execution":0}');
    redis.resume();
    expect(await untilServed(1)).toBe('ok {"execution":0}');
    expect(keeping.executed).toHaveLength(1);
  });

  test("a Redis that hangs while the backend fails: the command is free again when Redis is back, not only after its lease", async () => {
    keeping.answer(() => {
      redis.suspend();
      return new Response("down", { status: 503 });
    });
    expect((await attempt()).text).toBe("BACKEND_UNAVAILABLE");
    redis.resume();
    keeping.answer((at) => Response.json({ execution: at }));
    const resumedAt = performance.now();
    expect(await untilServed(1)).toBe('ok {"execution":1}');
    // The lease is 10 s: the timeout of the route and 5 s.
    expect(performance.now() - resumedAt).toBeLessThan(5000);
  });

  test("a Redis that loses its memory loses kept answers: the backend is called again, with the same Idempotency-Key", async () => {
    expect((await attempt()).text).toBe('ok {"execution":0}');
    await redis.ask("FLUSHALL");
    expect(await untilServed(1)).toBe('ok {"execution":1}');
    expect(keeping.executed.map((headers) => headers.get("idempotency-key"))).toEqual([KEY, KEY]);
  });

  test("after a gateway was killed, its claim ends, and one request executes the command", async () => {
    const killed = runCommand(["serve"], {
      SALLYPORT_EDGE_LISTEN: "127.0.0.1:0",
      SALLYPORT_GRPC_LISTEN: "127.0.0.1:0",
      SALLYPORT_ADMIN_LISTEN: "127.0.0.1:0",
      SALLYPORT_BACKEND_URL: keeping.world.faults.url,
      SALLYPORT_PUSH_URL: keeping.world.backend.pushUrl,
      SALLYPORT_ROUTES: JSON.stringify(KEEPING_ROUTES),
      SALLYPORT_KEYS_CURRENT: Buffer.alloc(32, 3).toString("base64"),
      SALLYPORT_STORES_KIND: "redis",
      SALLYPORT_STORES_REDIS_URL: redis.url,
      SALLYPORT_STORES_REDIS_DURABLE: "true",
    });
    const started = () =>
      killed
        .stdout()
        .split("\n")
        .find((line) => line.includes("gateway started"));
    await until(() => started() !== undefined, "the gateway to start");
    const { edge }: { edge: string } = JSON.parse(started() ?? "{}");
    const never = Promise.withResolvers<Response>();
    keeping.answer((at) => (at === 0 ? never.promise : Response.json({ execution: at })));
    const request = await signKeyed(device, { messageType: "test.slow", idempotencyKey: KEY });
    const lost = send(CONNECT.open(edge), request);
    await until(() => keeping.executed.length === 1, "the first to be executed");
    killed.kill("SIGKILL");
    expect((await lost).text).not.toStartWith("ok ");
    const repeats = [0, 1, 0, 1].map((gateway) => attempt({ messageType: "test.slow" }, gateway));
    const answers = await Promise.all(repeats);
    expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['ok {"execution":1}']));
    expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1);
    expect(keeping.executed).toHaveLength(2);
    never.resolve(Response.json({}));
  }, 60_000);

  test("the first and a repeat cost four and three round trips; every key has a time to live", async () => {
    await attempt({ idempotencyKey: "key-warm-up" });
    await attempt({ idempotencyKey: "key-warm-up" });
    expect(await redis.roundTripsOf(async () => void (await attempt()))).toBe(4);
    expect(await redis.roundTripsOf(async () => void (await attempt()))).toBe(3);
    const keys = await redis.ask("KEYS", "sallyport:answer*");
    if (!Array.isArray(keys)) return expect.unreachable();
    expect(keys).toHaveLength(2 + 4);
    for (const key of keys) expect(Number(await redis.ask("PTTL", String(key)))).toBeGreaterThan(0);
  });
});

describe("a stop of the gateway", () => {
  const untilGone = async (keeping: KeepingGateways, device: Device) => {
    const gone = new AbortController();
    const request = await signKeyed(device, { messageType: COUNT, idempotencyKey: KEY });
    const lost = send(keeping.transport(CONNECT), request, gone.signal);
    await until(() => keeping.executed.length === 1, "the first to be executed");
    gone.abort();
    await lost;
  };

  test.skipIf(NO_REDIS !== undefined)("waits for a call whose client has gone, and its answer is kept", async () => {
    const keeping = await openKeeping("Redis");
    const device = await keeping.world.login();
    const release = Promise.withResolvers<void>();
    keeping.answer(async (at) => {
      await release.promise;
      return Response.json({ execution: at });
    });
    await untilGone(keeping, device);
    let isStopped = false;
    const stopped = keeping.world.gateway.stop().then((inTime) => {
      isStopped = true;
      return inTime;
    });
    // Only time can show that the stop waits.
    await Bun.sleep(400);
    expect(isStopped).toBe(false);
    release.resolve();
    expect(await stopped).toBe(true);
    const request = await signKeyed(device, { messageType: COUNT, idempotencyKey: KEY });
    const { text, replayed } = await send(keeping.transport(CONNECT, 1), request);
    expect([text, replayed, keeping.executed.length]).toEqual(['ok {"execution":0}', "true", 1]);
    await keeping.close();
  });

  test("is not held up beyond its deadline by such a call", async () => {
    const keeping = await openKeeping("memory", { "shutdown.deadline_ms": 300, "backend.timeout_ms": 60_000 });
    const device = await keeping.world.login();
    const hungUp = Promise.withResolvers<void>();
    keeping.answer(async (_, { signal }) => {
      signal.addEventListener("abort", () => hungUp.resolve());
      await hungUp.promise;
      return Response.json({});
    });
    await untilGone(keeping, device);
    const startedMs = performance.now();
    expect(await keeping.world.gateway.stop()).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(3000);
    // The backend call is cancelled.
    await hungUp.promise;
    await keeping.close();
  });
});
