import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fleet, openFleet } from "../support/fleet.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { type Device, metric } from "../support/world.ts";

/** A Redis that answers and refuses: every write, or some command that requests need. */

const EMPTY = new Uint8Array(0);

interface Refusing {
  readonly name: string;
  /** How Redis says so. */
  readonly code: string;
  readonly begin: (redis: TestRedis, folder: string) => Promise<unknown>;
  readonly end: (redis: TestRedis) => Promise<unknown>;
}

const config = (redis: TestRedis, name: string, value: string) => redis.ask("CONFIG", "SET", name, value);
const rights = (redis: TestRedis, ...rules: string[]) => redis.ask("ACL", "SETUSER", "default", ...rules);

const WAYS: readonly Refusing[] = [
  {
    name: "that cannot write its snapshots",
    code: "MISCONF",
    async begin(redis, folder) {
      await config(redis, "save", "3600 1");
      await rm(folder, { recursive: true });
      await redis.ask("BGSAVE");
      await until(
        async () => String(await redis.ask("INFO", "persistence")).includes("rdb_last_bgsave_status:err"),
        "the snapshot to fail",
      );
    },
    end: (redis) => config(redis, "stop-writes-on-bgsave-error", "no"),
  },
  {
    name: "whose memory is full",
    code: "OOM",
    begin: (redis) => config(redis, "maxmemory", "1"),
    end: (redis) => config(redis, "maxmemory", "0"),
  },
  {
    name: "without the replicas that it wants",
    code: "NOREPLICAS",
    begin: (redis) => config(redis, "min-replicas-to-write", "1"),
    end: (redis) => config(redis, "min-replicas-to-write", "0"),
  },
  {
    name: "that takes away the right to reserve, which a script is told otherwise than a command",
    code: "ERR",
    begin: (redis) => rights(redis, "-set"),
    end: (redis) => rights(redis, "+@all"),
  },
  {
    name: "that takes away the right to the marker",
    code: "ERR",
    begin: (redis) => rights(redis, "-hset"),
    end: (redis) => rights(redis, "+@all"),
  },
  {
    name: "that takes away the right to scripts",
    code: "NOPERM",
    begin: (redis) => rights(redis, "-evalsha", "-eval"),
    end: (redis) => rights(redis, "+@all"),
  },
];

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS === undefined ? "a Redis" : `skipped: ${NO_REDIS}`, () => {
  let folder: string;
  let redis: TestRedis;
  let fleet: Fleet;
  let device: Device;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sallyport-redis-refusing-"));
    redis = await TestRedis.start({ args: ["--dir", folder] });
    fleet = await openFleet(redis);
    device = await fleet.world.login();
  });
  afterAll(async () => {
    await fleet.close();
    await redis.close();
    await rm(folder, { recursive: true, force: true });
  });

  const send = async (gateway: number) => fleet.send(gateway, await device.signer.sign("user.profile.get", EMPTY));
  const readiness = async (gateway: number) => (await fetch(`${fleet.gateways[gateway]?.adminUrl}/readyz`)).text();
  const linesWith = (text: string) =>
    fleet
      .logged()
      .split("\n")
      .filter((line) => line.includes(text));
  const errors = (code: string) => metric(fleet.world.gateway, "sallyport_redis_errors_total", `{error="${code}"}`);

  test.each(WAYS)(
    "$name ($code) makes both gateways not ready, is told once and counted; its end is told once",
    async (way) => {
      for (const gateway of [0, 1]) expect(await send(gateway)).toBe("ok");
      const [told, ended, counted] = [
        linesWith("redis: cannot be used"),
        linesWith("redis: can be used again"),
        await errors(way.code),
      ];
      await way.begin(redis, folder);
      for (const gateway of [0, 1])
        await until(async () => (await readiness(gateway)).includes(way.code), "it not to be ready");
      for (const gateway of [0, 1]) expect(await send(gateway)).toBe("REPLAY_STORE_UNAVAILABLE");
      for (const { adminUrl } of fleet.gateways) expect((await fetch(`${adminUrl}/readyz`)).status).toBe(503);
      for (const gateway of fleet.gateways) expect(await metric(gateway, "sallyport_redis_up")).toBe(0);
      // It is looked at every second, and says nothing new.
      const refused = await errors(way.code);
      expect(refused).toBeGreaterThan(counted);
      await until(async () => (await errors(way.code)) > refused + 1, "more looks");
      await until(() => linesWith("redis: cannot be used").length >= told.length + 2, "both to tell");
      expect(linesWith("redis: cannot be used")).toHaveLength(told.length + 2);
      expect(JSON.parse(linesWith("redis: cannot be used").at(-1) ?? "{}")).toMatchObject({
        level: "warn",
        reason: expect.stringContaining(way.code),
      });

      await way.end(redis);
      for (const gateway of [0, 1]) await until(async () => (await readiness(gateway)).includes('"ready"'), "it to be ready");
      for (const gateway of [0, 1]) expect(await send(gateway)).toBe("ok");
      for (const gateway of fleet.gateways) expect(await metric(gateway, "sallyport_redis_up")).toBe(1);
      await until(() => linesWith("redis: can be used again").length >= ended.length + 2, "both to tell of its end");
      expect(linesWith("redis: can be used again")).toHaveLength(ended.length + 2);
      expect(linesWith("redis: cannot be used")).toHaveLength(told.length + 2);
    },
    20_000,
  );

  test("that becomes a replica (READONLY) is one that is not there, and is told of as such, once", async () => {
    const lost = linesWith("redis: connection lost").length;
    await redis.ask("REPLICAOF", "127.0.0.1", "1");
    for (const gateway of [0, 1]) {
      await until(async () => (await readiness(gateway)).includes("give the address of its master"), "it not to be ready");
    }
    expect(await errors("READONLY")).toBeGreaterThan(0);
    await until(() => linesWith("redis: connection lost").length >= lost + 2, "both to tell");
    expect(linesWith("redis: connection lost")).toHaveLength(lost + 2);
    await redis.ask("REPLICAOF", "NO", "ONE");
    for (const gateway of [0, 1]) await until(async () => (await readiness(gateway)).includes('"ready"'), "it to be ready");
    for (const gateway of [0, 1]) expect(await send(gateway)).toBe("ok");
  }, 20_000);

  test("that refuses to tell what other gateways revoke lets requests in, and that is told once", async () => {
    const told = linesWith("what other gateways revoke cannot be read").length;
    const before = await errors("NOPERM");
    await rights(redis, "-xrange");
    await until(async () => (await errors("NOPERM")) > before + 2, "some looks");
    for (const gateway of [0, 1]) expect(await send(gateway)).toBe("ok");
    await until(() => linesWith("what other gateways revoke cannot be read").length >= told + 2, "both to tell");
    expect(linesWith("what other gateways revoke cannot be read")).toHaveLength(told + 2);
    await rights(redis, "+@all");
  }, 20_000);
});
