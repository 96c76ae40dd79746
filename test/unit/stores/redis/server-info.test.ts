import { describe, expect, test } from "bun:test";
import { addressOf } from "../../../../src/stores/redis/redis-call.ts";
import { checkServer } from "../../../../src/stores/redis/server-info.ts";

const GOOD = {
  redis_version: "7.0.15",
  redis_mode: "standalone",
  run_id: "2d6eb6cb",
  maxmemory: "0",
  maxmemory_policy: "noeviction",
  role: "master",
  cluster_enabled: "0",
};

function check(changes: Readonly<Record<string, string>> = {}) {
  const lines = Object.entries({ ...GOOD, ...changes }).map(([name, value]) => `${name}:${value}`);
  return checkServer(`# Server\r\n${lines.join("\r\n")}\r\n`, "cache:6379");
}

test("a suitable server yields its name, version and run id", () => {
  expect(check()).toEqual({ name: "redis", version: "7.0.15", runId: "2d6eb6cb" });
  expect(check({ server_name: "valkey", redis_version: "7.2.4", valkey_version: "8.1.0" })).toMatchObject({
    name: "valkey",
    version: "8.1.0",
  });
  expect(check({ maxmemory: "0", maxmemory_policy: "allkeys-lru" }).name).toBe("redis");
  expect(check({ maxmemory: "1000000" }).name).toBe("redis");
});

describe("an unsuitable server is refused with advice", () => {
  const cases: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
    ["a cluster node", { cluster_enabled: "1", redis_mode: "cluster" }, "use one server without cluster mode"],
    ["a sentinel", { redis_mode: "sentinel" }, "give the address of the master"],
    ["a replica", { role: "slave" }, "give the address of its master"],
    ["an old version", { redis_version: "6.2.14" }, "use Redis 7 or later"],
    ["no version", { redis_version: "" }, "use Redis 7 or later"],
    [
      "a server that evicts keys",
      { maxmemory: "100000000", maxmemory_policy: "volatile-ttl" },
      "set maxmemory-policy noeviction",
    ],
  ];
  for (const [name, changes, advice] of cases) {
    test(name, () => expect(() => check(changes)).toThrow(advice));
  }
});

test("an address shows neither user nor password", () => {
  expect(addressOf("redis://user:secret@cache:6380/2")).toBe("cache:6380/2");
  expect(addressOf("rediss://:secret@[::1]:6380")).toBe("[::1]:6380");
  expect(addressOf("redis+unix:///run/redis.sock")).toBe("/run/redis.sock");
  expect(addressOf("secret")).toBe("redis");
});
