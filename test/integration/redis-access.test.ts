import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGateway } from "../../src/app/gateway.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { StoreError } from "../../src/core/store-error.ts";
import { createLog } from "../../src/observe/log.ts";
import { type Certificate, selfSigned } from "../support/certificates.ts";
import { openFleet } from "../support/fleet.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

/** The ways to a Redis that not everybody may use: TLS, client certificates, users with few rights, a socket of the file system. */

const EMPTY = new Uint8Array(0);
const COPIES = 50;
const ANY_PORT = { host: "127.0.0.1", port: 0 };
/** What README.md says that the gateway's user needs. */
const RIGHTS =
  "-@all +info +evalsha +eval +time +mget +set +exists +hmget +hgetall +hset +xadd +xrange +xrevrange ~sallyport:*";

/** Two gateways that get there let a request in once, and count one budget. */
async function share(url: string, settings: Partial<Config> = {}): Promise<void> {
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

/** What stands against a start, in one line. */
async function whyNot(url: string, settings: Partial<Config> = {}): Promise<string> {
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
  let stranger: Certificate;
  let redis: TestRedis;
  beforeAll(async () => {
    [own, stranger] = [await selfSigned("redis"), await selfSigned("stranger")];
    redis = await TestRedis.start({ args: ["--bind", "127.0.0.1", "127.0.0.2"], tls: { own } });
  });
  afterAll(() => redis.close());

  test("is shared by gateways that know who vouches for it", () =>
    share(redis.url, { "stores.redis.ca_file": own.certificateFile }));

  test("is refused where another authority vouches for it, or only the system's, and the start says which setting that is", async () => {
    for (const settings of [{ "stores.redis.ca_file": stranger.certificateFile }, {}]) {
      expect(await whyNot(redis.url, settings)).toMatch(
        /^the Redis at 127\.0\.0\.1:\d+ cannot be used: its certificate is not to be trusted \(\w+\): stores\.redis\.ca_file names/,
      );
    }
  });

  test("is refused under a name that its certificate does not have", async () => {
    const url = redis.url.replace("127.0.0.1", "127.0.0.2");
    expect(await whyNot(url, { "stores.redis.ca_file": own.certificateFile })).toContain("its certificate is another host's");
  });

  test("says what is wrong where only one of the two speaks TLS", async () => {
    expect(await whyNot(redis.url.replace("rediss:", "redis:"))).toContain("does it want TLS (rediss://)?");
    const plain = await TestRedis.start();
    expect(await whyNot(plain.url.replace("redis:", "rediss:"))).toContain("is it redis://, not rediss://?");
    await plain.close();
  });

  test("an authority that cannot be read stops the start", async () => {
    expect(await whyNot(redis.url, { "stores.redis.ca_file": "/nowhere/ca.pem" })).toContain(
      "stores.redis.ca_file (/nowhere/ca.pem) cannot be read",
    );
  });

  test("an authority without TLS is a mistake in the configuration", async () => {
    expect(() =>
      loadConfig({
        env: {},
        argv: ["--set", "stores.redis.url=redis://cache:6379", "--set", "stores.redis.ca_file=ca.pem"],
      }),
    ).toThrow("stores.redis.url is not rediss://");
  });

  test("that asks for certificates lets in who shows one, and tells of it who does not", async () => {
    const clients = await selfSigned("gateway");
    const strict = await TestRedis.start({ tls: { own, clients } });
    const ca = { "stores.redis.ca_file": own.certificateFile };
    const files = (of: Certificate) => ({
      "stores.redis.certificate_file": of.certificateFile,
      "stores.redis.key_file": of.keyFile,
    });
    await share(strict.url, { ...ca, ...files(clients) });
    expect(await whyNot(strict.url, ca)).toContain("does it want a client certificate (stores.redis.certificate_file)?");
    expect(await whyNot(strict.url, { ...ca, ...files(stranger) })).toContain("does it want a client certificate");
    await strict.close();
  });

  test("that comes back with a new certificate is found again, once the file has the new one's authority", async () => {
    const [first, second] = [await selfSigned("first"), await selfSigned("second")];
    const caFile = join(tmpdir(), `sallyport-ca-${crypto.randomUUID()}.pem`);
    copyFileSync(first.certificateFile, caFile);
    const renewed = await TestRedis.start({ tls: { own: first } });
    const fleet = await openFleet(renewed, { "stores.redis.ca_file": caFile });
    const lines = (text: string) => fleet.logged().split(text).length - 1;
    await until(() => lines("redis: connected") === 2, "both to be connected");
    await renewed.kill();
    copyFileSync(second.certificateFile, first.certificateFile);
    copyFileSync(second.keyFile, first.keyFile);
    await renewed.start();
    await until(() => lines("is not to be trusted") >= 2, "both to see that the certificate is another");
    copyFileSync(second.certificateFile, caFile);
    await until(() => lines("redis: connected") === 4, "both to be back", 10_000);
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

  test("is shared by gateways whose user has the rights of the README, and no others", () => share(as("gateway:p%40ss")));

  test.each([
    ["another password", "gateway:other", "it does not know this user with this password (WRONGPASS)"],
    ["another user", "nobody:p%40ss", "it does not know this user with this password (WRONGPASS)"],
    ["a user without the rights", "poor:p%40ss", "NOPERM"],
  ])("refuses %s, and the start says so, but not who it was", async (_, user, reason) => {
    const why = await whyNot(as(user));
    expect(why).toContain(reason);
    expect(why).not.toMatch(/p@ss|p%40ss|other\b/);
  });

  test("refuses who gives none", async () => {
    expect(await whyNot(redis.url)).toContain("it wants a password, and is given none (NOAUTH)");
  });
});

test.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "a Redis on a socket of the file system is shared like any other", async () => {
  const path = join(tmpdir(), `sallyport-${crypto.randomUUID()}.sock`);
  const redis = await TestRedis.start({ args: ["--unixsocket", path] });
  await share(`redis+unix://${path}`);
  await redis.close();
  expect(await whyNot(`redis+unix://${path}.none`)).toContain("there is no such socket (ENOENT)");
});
