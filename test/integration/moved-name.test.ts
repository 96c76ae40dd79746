import { afterEach, describe, expect, test } from "bun:test";
import { MovingName, NO_MOVING_NAME } from "../support/moving-name.ts";
import { runCommand } from "../support/process.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { PushServer } from "../unit/backend/support/push-server.ts";

/** A server behind a host name dies, and its replacement listens at the name's new address, on the same port. */

const [OLD, NEW] = ["127.0.0.1", "127.0.0.2"];
const SOON_MS = 2000;

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

function restServer(hostname: string, port = 0): Bun.Server<undefined> {
  const server = Bun.serve({ hostname, port, fetch: () => Response.json({ challenge_id: `at-${hostname}` }) });
  opened.defer(() => server.stop(true));
  return server;
}

async function pushServer(host: string, port = 0): Promise<PushServer> {
  const server = await Object.assign(new PushServer(), { host, port }).start();
  opened.defer(() => server.kill());
  return server;
}

async function redisServer(host: string, port?: number): Promise<TestRedis> {
  const redis = await TestRedis.start({ args: ["--bind", host, ...(port === undefined ? [] : ["--port", String(port)])] });
  opened.defer(() => redis.close());
  return redis;
}

async function openName(): Promise<MovingName> {
  const name = await MovingName.open(OLD);
  opened.defer(() => name.close());
  return name;
}

/** Starts a gateway as a process that resolves the moving name. */
async function openGateway(name: MovingName, settings: Readonly<Record<string, string>>) {
  const all: Record<string, string> = {
    ...{ "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" },
    ...{ "budgets.public_auth.burst": "10000", "budgets.send_code.burst": "10000", "push.backoff_max_ms": "500" },
    ...{ "keys.current": Buffer.alloc(32, 1).toString("base64"), "stores.redis.durable": "true", ...settings },
  };
  const command = runCommand(
    ["serve", ...Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`])],
    name.env,
  );
  opened.defer(async () => {
    command.kill("SIGKILL");
    await command.exited;
  });
  await until(() => command.stdout().includes("push feed up"), `the gateway to be up: ${command.stderr()}`);
  const line = command
    .stdout()
    .split("\n")
    .find((each) => each.includes("gateway started"));
  const { edge }: { edge: string } = JSON.parse(line ?? "{}");
  return {
    logged: command.stdout,
    sendCode: async () => {
      const body = JSON.stringify({ email: "ada@example.com" });
      const headers = { "content-type": "application/json" };
      return (await fetch(`${edge}/api/v1/public/auth/send-email-code`, { method: "POST", body, headers })).text();
    },
  };
}

describe.skipIf(NO_MOVING_NAME !== undefined)(NO_MOVING_NAME ?? "a name that moves", () => {
  test("of the backend: calls and the push feed reach the new address within two seconds", async () => {
    const [name, rest, push] = [await openName(), restServer(OLD), await pushServer(OLD)];
    const urls = { "backend.url": `http://${name.name}:${rest.port}`, "push.url": `http://${name.name}:${push.port}` };
    const gateway = await openGateway(name, urls);
    expect(await gateway.sendCode()).toContain(`at-${OLD}`);
    restServer(NEW, rest.port);
    const newPush = await pushServer(NEW, push.port);
    await name.moveTo(NEW);
    await Promise.all([rest.stop(true), push.kill()]);
    await until(async () => (await gateway.sendCode()).includes(`at-${NEW}`), "a call to reach the new backend", SOON_MS);
    await until(() => newPush.subscriptions.length > 0, "the push feed to connect to the new backend", SOON_MS);
  }, 60_000);

  test.skipIf(NO_REDIS !== undefined)(
    NO_REDIS ?? "of Redis: the gateway connects to the new address within two seconds, and logs no wrong advice",
    async () => {
      const [name, rest, push, redis] = [await openName(), restServer(OLD), await pushServer(OLD), await redisServer(OLD)];
      const gateway = await openGateway(name, {
        ...{ "backend.url": `http://127.0.0.1:${rest.port}`, "push.url": push.url },
        ...{ "stores.kind": "redis", "stores.redis.url": `redis://${name.name}:${redis.port}` },
        "workers.count": "2",
      });
      const connections = () => gateway.logged().split("redis connected").length - 1;
      // Of the supervisor and of each worker.
      expect(connections()).toBe(3);
      await redisServer(NEW, redis.port);
      await name.moveTo(NEW);
      await redis.kill();
      await until(() => connections() === 6, "each process to use the new Redis", SOON_MS);
      expect(gateway.logged()).not.toContain("is it Redis?");
    },
    60_000,
  );

  /** The workaround, src/transport/linux/dns-cache.ts, can be deleted when this test fails. */
  test("Bun alone keeps the old address although nothing listens there", async () => {
    const [name, rest] = [await openName(), restServer(OLD)];
    const ask = `await fetch(process.argv[1]).then((answer) => answer.text(), (error) => error.code)`;
    const program = `console.log(${ask}); process.on("message", async () => { console.log(${ask}); process.exit(0); });`;
    const said = Promise.withResolvers<void>();
    const child = Bun.spawn([process.execPath, "-e", `${program} process.send("asked");`, `http://${name.name}:${rest.port}`], {
      env: { ...process.env, ...name.env },
      stdout: "pipe",
      ipc: () => said.resolve(),
    });
    await said.promise;
    restServer(NEW, rest.port);
    await name.moveTo(NEW);
    await rest.stop(true);
    // Older than what shortenDnsCache allows.
    await Bun.sleep(1100);
    child.send("again");
    expect((await new Response(child.stdout).text()).split("\n")[1]).toBe("ECONNREFUSED");
  });
});
