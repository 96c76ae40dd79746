import { describe, expect, test } from "bun:test";
import { runCommand } from "../support/process.ts";
import { NO_REDIS, type RedisOptions, TestRedis } from "../support/redis.ts";

/** `serve` with an unusable Redis. */

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
  return { code: await command.exited, stderr: command.stderr(), stdout: command.stdout() };
}

test("an unreachable Redis stops the start with a one-line error", async () => {
  const { code, stderr } = await serveWith("redis://user:secret@127.0.0.1:1");
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: "sallyport: the Redis at 127.0.0.1:1 cannot be used: no server listens there (ECONNREFUSED)\n",
  });
});

test("an invalid or missing URL stops the start, and the error does not show the URL", async () => {
  const { code, stderr } = await serveWith("http://user:secret@cache");
  expect(code).toBe(2);
  expect(stderr).toContain("stores.redis.url");
  expect(stderr).not.toContain("secret");
  expect(await serveWith("")).toMatchObject({ code: 2, stderr: expect.stringContaining("without stores.redis.url") });
});

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "with a real Redis", () => {
  const cases: readonly (readonly [string, RedisOptions, string])[] = [
    ["a Redis Cluster", { isCluster: true, args: ANY_PASSWORD }, "use one server without cluster mode"],
    [
      "a server that evicts keys",
      { args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", ...ANY_PASSWORD] },
      "set maxmemory-policy noeviction",
    ],
    ["a server with another password", { args: ["--requirepass", "other"] }, "the user name or password is wrong (WRONGPASS)"],
    ["a replica", { args: ["--replicaof", "127.0.0.1", "1", ...ANY_PASSWORD] }, "give the address of its master"],
  ];
  test("a key that another program has written stops the start with a one-line error and advice", async () => {
    const redis = await TestRedis.start();
    await redis.ask("SET", "sallyport:continuity", "x");
    const { code, stderr } = await serveWith(redis.url);
    await redis.close();
    expect(code).toBe(1);
    expect(stderr).toBe(
      `sallyport: the Redis at 127.0.0.1:${redis.port} cannot be used: WRONGTYPE: another program has written a key of the gateway as another type; delete the key, or set another stores.redis.prefix\n`,
    );
  });

  for (const [name, options, advice] of cases) {
    test(`${name} stops the start with a one-line error and advice`, async () => {
      const redis = await TestRedis.start(options);
      const { code, stderr, stdout } = await serveWith(`redis://:secret@127.0.0.1:${redis.port}`);
      await redis.close();
      expect(code).toBe(1);
      expect(stderr).toStartWith(`sallyport: the Redis at 127.0.0.1:${redis.port} `);
      expect(stderr).toContain(advice);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
      expect(stderr + stdout).not.toContain("secret");
    });
  }
});
