import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Gateway, startGateway } from "../../src/app/gateway.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { type DevBackend, startDevBackend } from "../../src/dev/backend.ts";
import { DEV_ROUTES } from "../../src/dev/user-api.ts";
import { Gateway as GatewayService } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { outcomeOf } from "../support/outcome.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";
import { type Device, login, metric, ROOMY } from "../support/world.ts";

/** Gateways with `stores.shared_file`: two at a time, and one that is stopped and started again. */

const ANY_PORT = { host: "127.0.0.1", port: 0 };
const SMALL = { "replay.entries_max": 10_000, "buckets.entries_max": 10_000, "session_cache.entries_max": 1000 };

let opened = new AsyncDisposableStack();
afterEach(() => opened.disposeAsync());

async function fixture() {
  opened = new AsyncDisposableStack();
  const backend = await startDevBackend({ restListen: ANY_PORT, pushListen: ANY_PORT, database: ":memory:", log: SILENT_LOG });
  opened.defer(() => backend.stop());
  const folder = mkdtempSync(join(tmpdir(), "sallyport-shared-"));
  opened.defer(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "tables");
  return { backend, path, start: (change: Partial<Config> = {}) => start(backend, { "stores.shared_file": path, ...change }) };
}

async function start(backend: DevBackend, change: Partial<Config>): Promise<Gateway> {
  const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT };
  const wiring = { "backend.url": backend.restUrl, "push.url": backend.pushUrl, "keys.current": SEED, routes: DEV_ROUTES };
  const config = loadConfig({ env: {}, overrides: { ...ROOMY, ...SMALL, ...listen, ...wiring, ...change } });
  const gateway = await startGateway({ config, log: SILENT_LOG });
  opened.defer(async () => void (await gateway.stop()));
  await until(async () => (await metric(gateway, "sallyport_push_feed_up")) === 1, "the push feed to be up");
  return gateway;
}

type Signed = Awaited<ReturnType<Device["signer"]["sign"]>>;

function send({ edgeUrl }: Pick<Gateway, "edgeUrl">, request: Signed): Promise<string> {
  const transport = createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" });
  return outcomeOf(async () => (await createClient(GatewayService, transport).executeCommand(request)).envelope?.resultCode);
}

const profile = (device: Device) => device.signer.sign("user.profile.get", new Uint8Array());

test("fifty copies of a request over two gateways with one file: one is admitted", async () => {
  const { backend, start } = await fixture();
  const gateways = [await start(), await start()];
  const device = await login(gateways[0]?.edgeUrl ?? "", backend.restUrl, "ada@example.com");
  const request = await profile(device);
  const copies = Array.from({ length: 50 }, (_, n) => gateways[n % 2]).flatMap((gateway) => gateway ?? []);
  const outcomes = await Promise.all(copies.map((gateway) => send(gateway, request)));
  expect(outcomes.filter((each) => each === "ok")).toHaveLength(1);
  expect(outcomes.filter((each) => each === "REQUEST_REPLAYED")).toHaveLength(49);
});

test("two gateways with one file share every budget", async () => {
  const { backend, start } = await fixture();
  const budget = { "budgets.session.rate": 0.001, "budgets.session.burst": 10 };
  const gateways = [await start(budget), await start(budget)];
  const device = await login(gateways[0]?.edgeUrl ?? "", backend.restUrl, "ada@example.com");
  const requests = await Promise.all(Array.from({ length: 30 }, () => profile(device)));
  const at = (n: number) => gateways[n % 2] ?? expect.unreachable();
  const outcomes = await Promise.all(requests.map((request, n) => send(at(n), request)));
  expect(outcomes.filter((each) => each === "ok")).toHaveLength(10);
  expect(outcomes.filter((each) => each === "RATE_LIMITED session")).toHaveLength(20);
});

describe("a gateway that is started again with its file", () => {
  test("admits a request that was signed before the start, and still refuses one that it has admitted", async () => {
    const { backend, start } = await fixture();
    const first = await start();
    const device = await login(first.edgeUrl, backend.restUrl, "ada@example.com");
    const [used, unused] = [await profile(device), await profile(device)];
    expect(await send(first, used)).toBe("ok");
    await first.stop();
    const second = await start();
    expect(await send(second, used)).toBe("REQUEST_REPLAYED");
    expect(await send(second, unused)).toBe("ok");
  });

  test("refuses requests of before the start if the file is lost, or has other sizes", async () => {
    const { backend, path, start } = await fixture();
    const first = await start();
    const device = await login(first.edgeUrl, backend.restUrl, "ada@example.com");
    const requests = await Promise.all([profile(device), profile(device)]);
    await first.stop();
    rmSync(path);
    const second = await start();
    expect(await send(second, requests[0])).toBe("TIMESTAMP_OUT_OF_WINDOW");
    expect(await send(second, await profile(device))).toBe("ok");
    await second.stop();
    const third = await start({ "replay.entries_max": 50_000 });
    expect(await send(third, requests[1])).toBe("TIMESTAMP_OUT_OF_WINDOW");
    expect(await send(third, await profile(device))).toBe("ok");
  });
});

test("a gateway with other sizes does not replace the file of a running one", async () => {
  const { start } = await fixture();
  const first = await start();
  await expect(start({ "replay.entries_max": 50_000 })).rejects.toThrow("another process uses it");
  await first.stop();
  await start({ "replay.entries_max": 50_000 });
});

describe("two workers with a shared file that is removed and created again by another gateway", () => {
  const cases = [
    ["a killed worker's successor", (gateway: UpgradableGateway) => killWorker(gateway)],
    ["replaced workers", (gateway: UpgradableGateway) => gateway.replacedWorkers()],
    ["an upgrade", (gateway: UpgradableGateway) => gateway.upgraded()],
  ] as const;
  test.each(cases)(
    "still admit a request once: %s",
    async (_, replace) => {
      const { path, start: startOther } = await fixture();
      const sizes = Object.fromEntries(Object.entries(SMALL).map(([key, value]) => [key, String(value)]));
      const gateway = await UpgradableGateway.start({ ...sizes, "workers.count": "2", "stores.shared_file": path });
      opened.defer(() => gateway.close());
      const device = await gateway.login();
      rmSync(path);
      await startOther();
      await replace(gateway);
      const request = await profile(device);
      const copies = Array.from({ length: 24 }, () => send(gateway, request));
      expect((await Promise.all(copies)).filter((outcome) => outcome === "ok")).toHaveLength(1);
    },
    60_000,
  );
});

/** Kills one worker, and waits for the next one. */
async function killWorker(gateway: UpgradableGateway): Promise<void> {
  const children = await Bun.file(`/proc/${gateway.pid}/task/${gateway.pid}/children`).text();
  process.kill(Number(children.split(" ")[0]), "SIGKILL");
  await until(
    async () => {
      const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
      return gateway.lines("worker restarted").length > 0 && text.match(/^sallyport_worker_up\{.*\} 1$/gm)?.length === 2;
    },
    "the new worker",
    30_000,
  );
}

describe("a file that cannot be used is refused with a clear error:", () => {
  const cases: readonly [name: string, prepare: (path: string) => void, message: RegExp][] = [
    ["others can read it", (path) => writeFileSync(path, "x", { mode: 0o644 }), /mode must be 0600/],
    ["a symbolic link", (path) => symlinkSync("/etc/hostname", path), /symbolic link/],
    [
      "a folder that does not exist",
      () => {},
      /stores\.shared_file \S+\/missing\/tables: its folder \S+\/missing does not exist/,
    ],
  ];
  test.each(cases)("%s", async (name, prepare, message) => {
    const { path, start } = await fixture();
    prepare(path);
    const elsewhere = name.startsWith("a folder") ? { "stores.shared_file": join(path, "missing/tables") } : {};
    await expect(start(elsewhere)).rejects.toThrow(message);
  });

  test("no room on the file system", async () => {
    const { start } = await fixture();
    const tooLarge = { "stores.shared_file": "/dev/shm/sallyport-too-large", "replay.entries_max": 100_000_000 };
    const room = Bun.spawnSync(["df", "--output=avail", "-B1", "/dev/shm"]).stdout.toString().split("\n")[1];
    if (Number(room) > 2_600_000_000) return;
    await expect(start(tooLarge)).rejects.toThrow(/no room for \d+ MiB/);
    expect(existsSync("/dev/shm/sallyport-too-large")).toBe(false);
  });

  test("the file that it creates has mode 0600", async () => {
    const { path, start } = await fixture();
    await start();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});
