import { describe, expect, test } from "bun:test";
import { constants } from "node:fs";
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, runCommand, runScript } from "../support/process.ts";
import { RawHttp1 } from "../support/raw-http.ts";
import { ANY_DEV_PORTS, ANY_PORTS, SERVE_ENV } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";

/** How the running commands handle signals. */

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

describe("signals", () => {
  async function up(...args: string[]): Promise<{ gateway: Command; edge: URL }> {
    const gateway = runCommand(["serve", ...ANY_PORTS, "--set", "shutdown.deadline_ms=60000", ...args], SERVE_ENV);
    await until(() => gateway.stdout().includes("gateway started"), "the gateway to start");
    const line = lines(gateway.stdout()).find((each) => each.includes("gateway started")) ?? "";
    const { edge }: { edge: string } = JSON.parse(line);
    return { gateway, edge: new URL(edge) };
  }

  test.each(["SIGTERM", "SIGINT"] as const)("%s without calls in progress: exit 0, and the port is closed", async (signal) => {
    const { gateway, edge } = await up();
    gateway.kill(signal);
    expect(await gateway.exited).toBe(0);
    expect(gateway.stdout()).toContain("gateway stopped");
    const again = connect(Number(edge.port), edge.hostname);
    await new Promise<void>((resolve, reject) =>
      again.once("error", () => resolve()).once("connect", () => reject(new Error("still there"))),
    );
  });

  test("SIGHUP: changed budgets of the file are applied; an invalid file changes nothing", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sallyport-cli-"));
    const file = join(directory, "sallyport.toml");
    await Bun.write(file, "[budgets.public_misc]\nrate = 0.001\nburst = 1000\n");
    const { gateway, edge } = await up("--config", file);
    const keys = async () => (await fetch(new URL("/.well-known/jwks.json", edge))).status;
    const reload = async (toml: string, message: string) => {
      await Bun.write(file, toml);
      gateway.kill("SIGHUP");
      await until(() => gateway.stdout().includes(message), message);
    };
    expect([await keys(), await keys()]).toEqual([200, 200]);
    await reload("[budgets.public_misc]\nrate = 0.001\nburst = 0\n", "configuration reload refused");
    expect(await keys()).toBe(200);
    await reload(
      "[budgets.public_misc]\nrate = 0.001\nburst = 1\n[freshness]\nwindow_ms = 30000\n",
      "configuration change requires restart",
    );
    expect(await keys()).toBe(429);
    expect(gateway.stdout()).toMatch(/"msg":"configuration reloaded".*budgets\.public_misc\.burst/);
    expect(gateway.stdout()).toMatch(/requires restart","settings":"freshness\.window_ms"/);
    gateway.kill("SIGTERM");
    expect(await gateway.exited).toBe(0);
    await rm(directory, { recursive: true });
  });

  /** Starts a gateway with an incomplete request. A stop waits a second for the rest of it. */
  async function upWithSlowRequest() {
    const { gateway, edge } = await up();
    const slow = await RawHttp1.open(edge.origin);
    const head =
      "POST /sallyport.v1.Gateway/ExecuteCommand HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\n";
    slow.send(`${head}Content-Length: 100\r\n\r\n{`);
    // A response to a later request on another connection shows that the first request has arrived.
    const probe = await RawHttp1.open(edge.origin);
    probe.send(`${head}Content-Length: 2\r\n\r\n{}`);
    await probe.answer();
    probe.close();
    return { gateway, slow };
  }

  test.each([
    ["SIGINT", "SIGINT"],
    ["SIGTERM", "SIGTERM"],
    ["SIGTERM", "SIGINT"],
    ["SIGINT", "SIGTERM"],
  ] as const)("%s and %s within a second are one stop: the call in progress is answered, exit 0", async (first, second) => {
    const { gateway, slow } = await upWithSlowRequest();
    gateway.kill(first);
    gateway.kill(second);
    gateway.kill(first);
    await until(() => gateway.stdout().includes("gateway stopping"), "the first signal to be handled");
    gateway.kill(second);
    slow.send("}".padEnd(99));
    expect((await slow.answer())?.status).toBe(503);
    slow.close();
    expect(await gateway.exited).toBe(0);
    expect(gateway.stdout().match(/gateway stopping/g)).toHaveLength(1);
  });

  test("a signal more than a second after the first exits immediately, exit 1", async () => {
    const called = Promise.withResolvers<void>();
    const backend = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch() {
        called.resolve();
        return new Promise<Response>(() => {});
      },
    });
    const { gateway, edge } = await up("--set", `backend.url=${backend.url.origin}`, "--set", "backend.timeout_ms=60000");
    // The stop waits for this call, which the backend does not answer.
    const login = { method: "POST", headers: { "content-type": "application/json" }, body: '{"email":"ada@example.com"}' };
    const cut = fetch(new URL("/api/v1/public/auth/send-email-code", edge), login).catch(() => "cut");
    await called.promise;
    const stopped = { code: undefined as number | undefined };
    gateway.exited.then((code) => {
      stopped.code = code;
    });
    const firstAtMs = performance.now();
    gateway.kill("SIGTERM");
    await until(() => {
      if (stopped.code === undefined) gateway.kill("SIGINT");
      return stopped.code !== undefined;
    }, "the second signal to be handled");
    expect(stopped.code).toBe(1);
    expect(performance.now() - firstAtMs).toBeGreaterThan(1000);
    expect(gateway.stdout()).not.toContain("gateway stopped");
    expect(await cut).toBe("cut");
    await backend.stop(true);
  });

  test.each(["serve", "dev"] as const)("SIGHUP during the start of %s reloads after the start", async (command) => {
    const directory = await mkdtemp(join(tmpdir(), "sallyport-cli-"));
    const file = join(directory, "sallyport.toml");
    await Bun.spawn(["mkfifo", file]).exited;
    // The start blocks on reading the named pipe, because it has no writer yet.
    const gateway = runCommand([command, "--config", file, ...ANY_DEV_PORTS], SERVE_ENV);
    const writer = await untilReader(file);
    gateway.kill("SIGHUP");
    // After the start, the pending reload reads this regular file.
    await rm(file);
    await Bun.write(file, "[budgets.ip]\nburst = 8\n");
    await writer.writeFile("[budgets.ip]\nburst = 7\n");
    await writer.close();
    await until(() => gateway.stdout().includes("configuration reloaded"), "the reload");
    expect(gateway.stdout()).toMatch(/configuration reloaded.*budgets\.ip\.burst/);
    gateway.kill("SIGTERM");
    expect(await gateway.exited).toBe(0);
    await rm(directory, { recursive: true });
  });
});

/** Opens a named pipe for writing as soon as it has a reader. */
async function untilReader(path: string): Promise<FileHandle> {
  let opened: FileHandle | undefined;
  await until(async () => {
    opened = await open(path, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined);
    return opened !== undefined;
  }, "the pipe to be read");
  return opened ?? expect.unreachable();
}

describe.each(["serve", "dev"])("under `bun run %s`, a signal to the process group arrives twice", (command) => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s: the call in progress is answered, and the gateway stops in time",
    async (signal) => {
      const args = [...ANY_DEV_PORTS, "--set", "shutdown.deadline_ms=60000", "--set", "log.format=json"];
      const group = runScript(command, args, SERVE_ENV);
      await until(() => group.stdout().includes("gateway started"), `the gateway to start: ${group.stderr()}`);
      const [line = ""] = group.stdout().match(/^\{.*gateway started.*$/m) ?? [];
      const { edge }: { edge: string } = JSON.parse(line);
      const slow = await RawHttp1.open(edge);
      const head =
        "POST /sallyport.v1.Gateway/ExecuteCommand HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\n";
      slow.send(`${head}Content-Length: 100\r\n\r\n{`);
      const probe = await RawHttp1.open(edge);
      probe.send(`${head}Content-Length: 2\r\n\r\n{}`);
      await probe.answer();
      probe.close();
      group.killGroup(signal);
      await until(() => group.stdout().includes("gateway stopping"), "the signal to be handled");
      slow.send("}".padEnd(99));
      expect((await slow.answer())?.status).toBe(503);
      slow.close();
      await until(() => group.stdout().includes("gateway stopped"), "the stop");
      expect(group.stdout()).toMatch(/gateway stopped.*"within_deadline":true/);
      await group.exited;
    },
  );
});
