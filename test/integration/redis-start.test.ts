import { describe, expect, test } from "bun:test";
import { runCommand } from "../support/process.ts";
import { NO_REDIS, type RedisOptions, TestRedis } from "../support/redis.ts";

/** What `serve` says where it cannot work with the Redis that it is given. */

const ANY_PASSWORD = ["--requirepass", "secret"];
const SEED = Buffer.alloc(32, 1).toString("base64");

async function serveWith(url: string, env: Readonly<Record<string, string>> = {}) {
  const command = runCommand(["serve"], {
    SALLYPORT_KEYS_CURRENT: SEED,
    SALLYPORT_BACKEND_URL: "http://127.0.0.1:9",
    SALLYPORT_PUSH_URL: "http://127.0.0.1:9",
    SALLYPORT_EDGE_LISTEN: "127.0.0.1:0",
    SALLYPORT_GRPC_LISTEN: "127.0.0.1:0",
    SALLYPORT_ADMIN_LISTEN: "127.0.0.1:0",
    SALLYPORT_STORES_KIND: "redis",
    SALLYPORT_STORES_REDIS_URL: url,
    ...env,
  });
  return { code: await command.exited, said: command.stderr(), logged: command.stdout() };
}

test("a Redis that is not there stops the start with one line", async () => {
  const { code, said } = await serveWith("redis://user:secret@127.0.0.1:1");
  expect({ code, said }).toEqual({
    code: 1,
    said: "sallyport: the Redis at 127.0.0.1:1 cannot be used: nobody listens there (ECONNREFUSED)\n",
  });
});

test("a URL that is none, or that is missing, is told without what it may hold", async () => {
  const { code, said } = await serveWith("http://user:secret@cache");
  expect(code).toBe(2);
  expect(said).toContain("stores.redis.url");
  expect(said).not.toContain("secret");
  expect(await serveWith("")).toMatchObject({ code: 2, said: expect.stringContaining("without stores.redis.url") });
});

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "with a real Redis", () => {
  const cases: readonly (readonly [string, RedisOptions, string])[] = [
    ["a Redis Cluster", { isCluster: true, args: ANY_PASSWORD }, "use one server without cluster mode"],
    [
      "one that evicts keys",
      { args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", ...ANY_PASSWORD] },
      "set maxmemory-policy noeviction",
    ],
    [
      "one that wants another password",
      { args: ["--requirepass", "other"] },
      "it does not know this user with this password (WRONGPASS)",
    ],
    ["a replica", { args: ["--replicaof", "127.0.0.1", "1", ...ANY_PASSWORD] }, "give the address of its master"],
  ];
  for (const [name, options, advice] of cases) {
    test(`${name} stops the start with one line that says what to do`, async () => {
      const redis = await TestRedis.start(options);
      const { code, said, logged } = await serveWith(`redis://:secret@127.0.0.1:${redis.port}`);
      await redis.close();
      expect(code).toBe(1);
      expect(said).toStartWith(`sallyport: the Redis at 127.0.0.1:${redis.port} `);
      expect(said).toContain(advice);
      expect(said.trimEnd().split("\n")).toHaveLength(1);
      expect(said + logged).not.toContain("secret");
    });
  }
});
