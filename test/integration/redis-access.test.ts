import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGateway } from "../../src/app/gateway.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { StoreError } from "../../src/core/start-error.ts";
import { createLog } from "../../src/observe/log.ts";
import { type Certificate, selfSigned } from "../support/certificates.ts";
import { openFleet } from "../support/fleet.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

/** Connecting to a Redis with access control: TLS, client certificates, users with few rights, a Unix socket. */

const EMPTY = new Uint8Array(0);
const COPIES = 50;
const ANY_PORT = { host: "127.0.0.1", port: 0 };
/** The rights that the documentation lists for the gateway's user. */
const RIGHTS =
  "-@all +info +evalsha +eval +time +mget +set +exists +hmget +hgetall +hset +xadd +xrange +xrevrange ~sallyport:*";

/** Two gateways on this Redis accept a request once and share one budget. */
async function expectShared(url: string, settings: Partial<Config> = {}): Promise<void> {
  const fleet = await openFleet({ url }, { "budgets.session.rate": 0.001, "budgets.session.burst": 10, ...settings });
  try {
    const { signer } = await fleet.world.login();
    const request = await signer.sign("user.profile.get", EMPTY);
    const copies = await Promise.all(Array.from({ length: COPIES }, (_, at) => fleet.send(at, request)));
    expect(copies.filter((outcome) => outcome !== "REQUEST_REPLAYED")).toEqual(["ok"]);
    const others = Array.from({ length: COPIES }, async (_, at) =>
      fleet.send(at, await signer.sign("user.profile.get", EMPTY)),
    );
    expect((await Promise.all(others)).filter((outcome) => outcome === "ok")).toHaveLength(9);
  } finally {
    await fleet.close();
  }
}

/** The error message of a failed start, or `started`. */
async function startError(url: string, settings: Partial<Config> = {}): Promise<string> {
  const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT };
  const backend = { "backend.url": "http://127.0.0.1:9", "push.url": "http://127.0.0.1:9" };
  const stores = { "stores.kind": "redis", "stores.redis.url": url } as const;
  const config = loadConfig({ env: {}, overrides: { ...listen, ...backend, ...stores, ...settings } });
  const log = createLog({ level: "error", format: "json", write: () => {} });
  try {
    await (await startGateway({ config, log })).stop();
    return "started";
  } catch (error) {
    return error instanceof StoreError ? error.message : String(error);
  }
}

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "a Redis with TLS", () => {
  let own: Certificate;
  let foreign: Certificate;
  let redis: TestRedis;
  beforeAll(async () => {
    [own, foreign] = [await selfSigned("redis"), await selfSigned("foreign")];
    redis = await TestRedis.start({ args: ["--bind", "127.0.0.1", "127.0.0.2"], tls: { own } });
  });
  afterAll(() => redis.close());

  test("is shared by gateways that trust its authority", () =>
    expectShared(redis.url, { "stores.redis.ca_file": own.certificateFile }));

  test("stops the start if its authority is not trusted, and the error names the setting", async () => {
    for (const settings of [{ "stores.redis.ca_file": foreign.certificateFile }, {}]) {
      expect(await startError(redis.url, settings)).toMatch(
        /^the Redis at 127\.0\.0\.1:\d+ cannot be used: its certificate is not trusted \(stores\.redis\.ca_file\): \w+$/,
      );
    }
  });

  test("stops the start if its certificate is for another host name", async () => {
    const url = redis.url.replace("127.0.0.1", "127.0.0.2");
    expect(await startError(url, { "stores.redis.ca_file": own.certificateFile })).toContain(
      "its certificate is for another host name",
    );
  });

  test("stops the start with advice if only one side uses TLS", async () => {
    expect(await startError(redis.url.replace("rediss:", "redis:"))).toContain("does it require TLS (rediss://)?");
    const plain = await TestRedis.start();
    expect(await startError(plain.url.replace("redis:", "rediss:"))).toContain("write redis:// instead of rediss://");
    await plain.close();
  });

  test("an unreadable authority file stops the start", async () => {
    expect(await startError(redis.url, { "stores.redis.ca_file": "/nowhere/ca.pem" })).toContain(
      "stores.redis.ca_file (/nowhere/ca.pem) cannot be read",
    );
  });

  test("an authority file for a URL without TLS is a configuration error", async () => {
    expect(() =>
      loadConfig({
        env: {},
        argv: ["--set", "stores.redis.url=redis://cache:6379", "--set", "stores.redis.ca_file=ca.pem"],
      }),
    ).toThrow("stores.redis.url does not start with rediss://");
  });

  test("that requires client certificates accepts a trusted one, and the start error names the missing one", async () => {
    const clients = await selfSigned("gateway");
    const strict = await TestRedis.start({ tls: { own, clients } });
    const ca = { "stores.redis.ca_file": own.certificateFile };
    const files = (of: Certificate) => ({
      "stores.redis.certificate_file": of.certificateFile,
      "stores.redis.key_file": of.keyFile,
    });
    await expectShared(strict.url, { ...ca, ...files(clients) });
    expect(await startError(strict.url, ca)).toContain("does it require a client certificate (stores.redis.certificate_file)?");
    expect(await startError(strict.url, { ...ca, ...files(foreign) })).toContain("does it require a client certificate");
    await strict.close();
  });

  test("that restarts with a new certificate is reconnected once the authority file trusts it", async () => {
    const [first, second] = [await selfSigned("first"), await selfSigned("second")];
    const caFile = join(tmpdir(), `sallyport-ca-${crypto.randomUUID()}.pem`);
    copyFileSync(first.certificateFile, caFile);
    const renewed = await TestRedis.start({ tls: { own: first } });
    const fleet = await openFleet(renewed, { "stores.redis.ca_file": caFile });
    const lines = (text: string) => fleet.logged().split(text).length - 1;
    await until(() => lines("redis connected") === fleet.processes, "both gateways to be connected");
    await renewed.kill();
    copyFileSync(second.certificateFile, first.certificateFile);
    copyFileSync(second.keyFile, first.keyFile);
    await renewed.start();
    await until(() => lines("is not trusted") >= 2, "both gateways to reject the certificate");
    copyFileSync(second.certificateFile, caFile);
    await until(() => lines("redis connected") === 2 * fleet.processes, "both gateways to reconnect");
    await fleet.close();
    await renewed.close();
    rmSync(caFile);
  });
});

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "a Redis with users", () => {
  let redis: TestRedis;
  const as = (user: string) => redis.url.replace("//", `//${user}@`);
  beforeAll(async () => {
    const user = ["--user", "gateway", "on", ">p@ss", ...RIGHTS.split(" ")];
    const poor = ["--user", "poor", "on", ">p@ss", ...RIGHTS.replace("+eval ", "").replace("+evalsha ", "").split(" ")];
    redis = await TestRedis.start({ args: [...user, ...poor, "--user", "default", "off"] });
  });
  afterAll(() => redis.close());

  test("is shared by gateways whose user has exactly the documented rights", () => expectShared(as("gateway:p%40ss")));

  test.each([
    ["a wrong password", "gateway:other", "the user name or password is wrong (WRONGPASS)"],
    ["an unknown user", "nobody:p%40ss", "the user name or password is wrong (WRONGPASS)"],
    ["a user without the rights", "poor:p%40ss", "NOPERM"],
  ])("stops the start for %s, and the error shows no credentials", async (_, user, reason) => {
    const error = await startError(as(user));
    expect(error).toContain(reason);
    expect(error).not.toMatch(/p@ss|p%40ss|other\b/);
  });

  test("stops the start if the URL has no password", async () => {
    expect(await startError(redis.url)).toContain("it requires a password, and the URL has none (NOAUTH)");
  });
});

test.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "a Redis on a Unix socket is shared", async () => {
  const path = join(tmpdir(), `sallyport-${crypto.randomUUID()}.sock`);
  const redis = await TestRedis.start({ args: ["--unixsocket", path] });
  await expectShared(`redis+unix://${path}`);
  await redis.close();
  expect(await startError(`redis+unix://${path}.none`)).toContain("the socket does not exist (ENOENT)");
});
