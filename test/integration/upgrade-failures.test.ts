import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-node";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { send, signKeyed } from "../support/keyed-commands.ts";
import { runCommand } from "../support/process.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { SERVE_ENV } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";

/** An upgrade that fails or is refused leaves the running gateway in place, and says why. */

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: an upgrade needs Linux";

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

async function start(...args: Parameters<typeof UpgradableGateway.start>) {
  const gateway = await UpgradableGateway.start(...args);
  opened.defer(() => gateway.close());
  return gateway;
}

const transportOf = ({ edgeUrl }: UpgradableGateway) => createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" });

/** Replaces the executable by a shell script. */
function replaceExecutable({ folder }: UpgradableGateway, script: string): void {
  const path = join(folder, "sallyport");
  rmSync(path);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

/** Whether a process has ended. Without a parent that waits for it, it stays as a zombie. */
function hasEnded(pid: number): boolean {
  const stat = Bun.spawnSync(["ps", "-o", "stat=", "-p", String(pid)])
    .stdout.toString()
    .trim();
  return stat === "" || stat.startsWith("Z");
}

async function expectServing(gateway: UpgradableGateway): Promise<void> {
  const device = await gateway.login();
  const request = await signKeyed(device, { messageType: "user.profile.get" });
  expect((await send(transportOf(gateway), request)).text).toStartWith("ok ");
}

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "an upgrade fails, and the gateway goes on,", () => {
  test("if the configuration is not valid; after a correction it succeeds", async () => {
    const gateway = await start();
    await gateway.configure({ "backend.timeout_ms": "0", "limits.payload_bytes_max": "0" });
    const { code, out, err } = await gateway.upgrade();
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).not.toContain("\\u000a");
    expect(err).toStartWith("sallyport: upgrade failed: the new process ended before it was ready: exit code 2: ");
    expect(err).toContain("backend.timeout_ms");
    await until(() => gateway.lines("upgrade failed").length === 1, "the log line");
    expect(gateway.lines("upgrade failed")).toEqual([expect.objectContaining({ level: "error", exit_code: 2 })]);
    expect(gateway.stderr()).toContain("backend.timeout_ms");
    await expectServing(gateway);
    await gateway.configure({ "backend.timeout_ms": "5000", "limits.payload_bytes_max": "262144" });
    expect((await gateway.upgrade()).code).toBe(0);
    await expectServing(gateway);
  }, 60_000);

  test("if the new process is not ready in time: the problem is what it waits for", async () => {
    const gateway = await start({ "upgrade.timeout_ms": "1500" });
    await gateway.configure({ "push.url": "http://127.0.0.1:9" });
    const { code, err } = await gateway.upgrade();
    expect(code).toBe(1);
    expect(err).toContain("the new process was not ready after 1500 ms: the push feed has not come up yet");
    // An operator must not take the failure of the new process for an outage of the running one.
    const pid = gateway.lines("upgrade started")[0]?.["successor_pid"];
    await until(() => gateway.lines("push feed stream failed").length > 0, "the log line of the new process");
    for (const line of gateway.lines("push feed stream failed")) expect(line["successor_pid"]).toBe(pid);
    await expectServing(gateway);
  }, 60_000);

  test("if the new executable is killed or is not there: the problem has the signal and its last words", async () => {
    const gateway = await start();
    replaceExecutable(gateway, 'echo "library not found" >&2\nkill -KILL $$');
    expect((await gateway.upgrade()).err).toContain("signal SIGKILL: library not found");
    await until(() => gateway.lines("upgrade failed").length === 1, "the log line");
    expect(gateway.lines("upgrade failed")).toEqual([
      expect.objectContaining({ signal: "SIGKILL", stderr: "library not found" }),
    ]);
    replaceExecutable(gateway, 'for n in $(seq 1 20); do echo "line $n" >&2; done\nexit 3');
    expect((await gateway.upgrade()).err).toContain("exit code 3: line 1; line 2; line 3; …; line 18; line 19; line 20");
    rmSync(join(gateway.folder, "sallyport"));
    const { code, err } = await gateway.upgrade();
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("ENOENT") });
    await expectServing(gateway);
  }, 60_000);

  test("if the new executable does not take part: it is ended", async () => {
    const gateway = await start({ "upgrade.timeout_ms": "1000" });
    replaceExecutable(gateway, "exec sleep 60");
    expect((await gateway.upgrade()).err).toContain("the new process was not ready after 1000 ms");
    await expectServing(gateway);
  }, 60_000);

  test("if it would use other stores", async () => {
    const gateway = await start();
    const refused = (changed: string) => `exit code 1: ${changed}: restart the gateway instead`;
    await gateway.configure({ "stores.shared_file": join(gateway.folder, "stores") });
    expect((await gateway.upgrade()).err).toContain(refused("stores.shared_file was changed"));
    await gateway.configure({ "stores.kind": "redis", "stores.redis.url": "redis://127.0.0.1:1" });
    expect((await gateway.upgrade()).err).toContain(refused("stores.kind was changed"));
    await expectServing(gateway);
  }, 60_000);

  test.skipIf(NO_REDIS !== undefined)(
    `if it would use another Redis, prefix or shared file; no password is shown${NO_REDIS === undefined ? "" : ` (skipped: ${NO_REDIS})`}`,
    async () => {
      const redis = await TestRedis.start();
      opened.defer(() => redis.kill());
      const gateway = await start({ "stores.kind": "redis", "stores.redis.url": redis.url });
      const { settings } = gateway;
      await gateway.configure({ "stores.shared_file": join(gateway.folder, "stores") });
      expect((await gateway.upgrade()).err).toContain(": stores.shared_file was changed: restart");
      await gateway.replaceSettings(settings);
      await gateway.configure({ "stores.redis.prefix": "other" });
      expect((await gateway.upgrade()).err).toContain(": stores.redis.prefix was changed: restart");
      await gateway.configure({ "stores.redis.url": "redis://u:hunter2@127.0.0.1:1" });
      const { err } = await gateway.upgrade();
      expect(err).toContain(": stores.redis.url and stores.redis.prefix were changed: restart");
      expect(err + gateway.stderr()).not.toContain("hunter2");
      await expectServing(gateway);
    },
    60_000,
  );

  test.each(["memory", "a shared file"])(
    "if the sizes of the stores in %s have changed",
    async (kind) => {
      const file = join(tmpdir(), `sallyport-sizes-${process.pid}`);
      opened.defer(() => rmSync(file, { force: true }));
      const small = { "replay.entries_max": "10000", "buckets.entries_max": "10000" };
      const gateway = await start(kind === "memory" ? small : { ...small, "stores.shared_file": file });
      const before = kind === "memory" ? 0 : statSync(file).ino;
      await gateway.configure({ "buckets.entries_max": "5000" });
      expect((await gateway.upgrade()).err).toContain("other sizes");
      expect(kind === "memory" ? 0 : statSync(file).ino).toBe(before);
      await expectServing(gateway);
    },
    60_000,
  );
});

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "an upgrade is refused", () => {
  test("while another one runs, by command and by signal; a stop ends the new process", async () => {
    const gateway = await start();
    replaceExecutable(gateway, "exec sleep 60");
    const first = gateway.upgrade();
    await until(() => gateway.lines("upgrade started").length === 1, "the first upgrade");
    const { code, err } = await gateway.upgrade();
    expect({ code, err }).toEqual({ code: 1, err: "sallyport: upgrade refused: an upgrade is already running\n" });
    gateway.signal("SIGUSR2");
    await until(() => gateway.lines("upgrade refused").length === 2, "the second refusal");
    gateway.signal("SIGTERM");
    expect((await first).code).toBe(1);
    expect(await gateway.firstExited).toBe(0);
    const [{ successor_pid } = expect.unreachable()] = gateway.lines("upgrade started");
    await until(() => hasEnded(Number(successor_pid)), "the end of the new process");
  }, 60_000);

  test("while the old process drains; a revocation meanwhile reaches the streams of both processes", async () => {
    const gateway = await start({ "shutdown.spread_ms": "5000" });
    const device = await gateway.login();
    // Streams end one after the other, the oldest first.
    const streams = [];
    for (let n = 0; n < 5; n++) streams.push(await EventSubscriber.open(transportOf(gateway), device));
    expect((await gateway.upgrade()).code).toBe(0);
    expect((await gateway.upgrade()).err).toBe("sallyport: upgrade refused: the previous process has not ended yet\n");
    const fresh = await EventSubscriber.open(transportOf(gateway), device);
    const revoked = await fetch(`${gateway.adminUrl}/revoke`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ device_session_id: device.deviceSessionId }),
    });
    expect(revoked.status).toBe(200);
    const last = streams.at(-1) ?? expect.unreachable();
    await until(() => fresh.ended !== undefined && last.ended !== undefined, "the streams to end");
    expect([fresh.ended, last.ended]).toEqual(["SESSION_REVOKED", "SESSION_REVOKED"]);
  }, 60_000);

  test("for a web page and for a request without JSON", async () => {
    const gateway = await start();
    const ask = (headers: Record<string, string>) =>
      fetch(`${gateway.adminUrl}/upgrade`, { method: "POST", headers, body: "{}" });
    expect((await ask({})).status).toBe(415);
    expect((await ask({ "content-type": "application/json", origin: "https://evil.example" })).status).toBe(403);
    expect((await fetch(`${gateway.adminUrl}/upgrade`)).status).toBe(405);
    expect(gateway.lines("upgrade started")).toEqual([]);
  }, 60_000);

  test("for a gateway that is not there, and for a wrong command line", async () => {
    const run = async (...args: string[]) => {
      const command = runCommand(["upgrade", ...args]);
      return { code: await command.exited, err: command.stderr() };
    };
    expect(await run("--url", "http://127.0.0.1:9")).toEqual({ code: 1, err: expect.stringContaining("no answer from") });
    expect((await run("--url", "nonsense")).code).toBe(2);
    expect((await run("--nonsense")).code).toBe(2);
    const silent = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Promise<Response>(() => {}) });
    opened.defer(() => silent.stop(true));
    const { err } = await run("--url", silent.url.origin, "--timeout", "100ms");
    expect(err).toContain("in time: the upgrade may still complete; look at the log of the gateway, or run the command again");
  });
});

test.skipIf(NOT_LINUX !== undefined)(
  NOT_LINUX ?? "another gateway cannot open the ports of a gateway, before and after an upgrade",
  async () => {
    const gateway = await start();
    const stranger = async (setting: string, url: string) => {
      const ports = { "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" };
      const all = { ...ports, [setting]: new URL(url).host };
      const flags = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
      const command = runCommand(["serve", ...flags], SERVE_ENV);
      return { code: await command.exited, err: command.stderr() };
    };
    const refused = { code: 1, err: expect.stringContaining("the port is in use") };
    for (let round = 0; round < 2; round++) {
      expect(await stranger("edge.listen", gateway.edgeUrl)).toEqual(refused);
      expect(await stranger("grpc.listen", gateway.grpcUrl)).toEqual(refused);
      expect(await stranger("admin.listen", gateway.adminUrl)).toEqual(refused);
      if (round === 0) await gateway.upgraded();
    }
  },
  60_000,
);
