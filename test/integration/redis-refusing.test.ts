import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fleet, openFleet } from "../support/fleet.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { type Device, metric } from "../support/world.ts";

/** A reachable Redis that refuses every write, or a command that requests need. */

const EMPTY = new Uint8Array(0);

interface FailureMode {
  readonly name: string;
  /** The error code of Redis. */
  readonly code: string;
  readonly begin: (redis: TestRedis, folder: string) => Promise<unknown>;
  readonly end: (redis: TestRedis) => Promise<unknown>;
}

const config = (redis: TestRedis, name: string, value: string) => redis.ask("CONFIG", "SET", name, value);
const rights = (redis: TestRedis, ...rules: string[]) => redis.ask("ACL", "SETUSER", "default", ...rules);

const FAILURE_MODES: readonly FailureMode[] = [
  {
    name: "with failing snapshots",
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
    name: "with full memory",
    code: "OOM",
    begin: (redis) => config(redis, "maxmemory", "1"),
    end: (redis) => config(redis, "maxmemory", "0"),
  },
  {
    name: "with too few replicas",
    code: "NOREPLICAS",
    begin: (redis) => config(redis, "min-replicas-to-write", "1"),
    end: (redis) => config(redis, "min-replicas-to-write", "0"),
  },
  {
    name: "that denies SET (a script gets another code than a command)",
    code: "ERR",
    begin: (redis) => rights(redis, "-set"),
    end: (redis) => rights(redis, "+@all"),
  },
  {
    name: "that denies HSET",
    code: "ERR",
    begin: (redis) => rights(redis, "-hset"),
    end: (redis) => rights(redis, "+@all"),
  },
  {
    name: "that denies scripts",
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

  test.each(FAILURE_MODES)(
    "$name ($code) makes both gateways not ready, and is counted; its start and end are logged once",
    async (mode) => {
      for (const gateway of [0, 1]) expect(await send(gateway)).toBe("ok");
      const [failedBefore, recoveredBefore, counted] = [
        linesWith("redis health check failed"),
        linesWith("redis recovered"),
        await errors(mode.code),
      ];
      await mode.begin(redis, folder);
      for (const gateway of [0, 1])
        await until(async () => (await readiness(gateway)).includes(mode.code), "the gateway to be not ready");
      for (const gateway of [0, 1]) expect(await send(gateway)).toBe("REPLAY_STORE_UNAVAILABLE");
      for (const { adminUrl } of fleet.gateways) expect((await fetch(`${adminUrl}/readyz`)).status).toBe(503);
      for (const gateway of fleet.gateways) expect(await metric(gateway, "sallyport_redis_up")).toBe(0);
      // The checks go on every second, and log nothing new.
      const refused = await errors(mode.code);
      expect(refused).toBeGreaterThan(counted);
      await until(async () => (await errors(mode.code)) > refused + 1, "more checks");
      await until(
        () => linesWith("redis health check failed").length >= failedBefore.length + fleet.processes,
        "both gateways to log it",
      );
      expect(linesWith("redis health check failed")).toHaveLength(failedBefore.length + fleet.processes);
      expect(JSON.parse(linesWith("redis health check failed").at(-1) ?? "{}")).toMatchObject({
        level: "warn",
        reason: expect.stringContaining(mode.code),
      });

      await mode.end(redis);
      for (const gateway of [0, 1])
        await until(async () => (await readiness(gateway)).includes('"ready"'), "the gateway to be ready");
      for (const gateway of [0, 1]) expect(await send(gateway)).toBe("ok");
      for (const gateway of fleet.gateways) expect(await metric(gateway, "sallyport_redis_up")).toBe(1);
      await until(
        () => linesWith("redis recovered").length >= recoveredBefore.length + fleet.processes,
        "both gateways to log the recovery",
      );
      expect(linesWith("redis recovered")).toHaveLength(recoveredBefore.length + fleet.processes);
      expect(linesWith("redis health check failed")).toHaveLength(failedBefore.length + fleet.processes);
    },
    60_000,
  );

  test("that becomes a replica (READONLY) counts as unreachable, and is logged once", async () => {
    const lost = linesWith("redis connection lost").length;
    await redis.ask("REPLICAOF", "127.0.0.1", "1");
    for (const gateway of [0, 1]) {
      await until(
        async () => (await readiness(gateway)).includes("give the address of its master"),
        "the gateway to be not ready",
      );
    }
    expect(await errors("READONLY")).toBeGreaterThan(0);
    await until(() => linesWith("redis connection lost").length >= lost + fleet.processes, "both gateways to log it");
    expect(linesWith("redis connection lost")).toHaveLength(lost + fleet.processes);
    await redis.ask("REPLICAOF", "NO", "ONE");
    for (const gateway of [0, 1])
      await until(async () => (await readiness(gateway)).includes('"ready"'), "the gateway to be ready");
    for (const gateway of [0, 1]) expect(await send(gateway)).toBe("ok");
  }, 60_000);

  test("that denies XRANGE still lets requests be accepted, and the failed poll is logged once", async () => {
    const failedBefore = linesWith("read of revocations from redis failed").length;
    const before = await errors("NOPERM");
    await rights(redis, "-xrange");
    await until(async () => (await errors("NOPERM")) > before + 2, "some polls");
    for (const gateway of [0, 1]) expect(await send(gateway)).toBe("ok");
    await until(
      () => linesWith("read of revocations from redis failed").length >= failedBefore + fleet.processes,
      "both gateways to log it",
    );
    expect(linesWith("read of revocations from redis failed")).toHaveLength(failedBefore + fleet.processes);
    await rights(redis, "+@all");
  }, 60_000);
});
