import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { constants } from "node:fs";
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, runCommand, runScript } from "../support/process.ts";
import { RawConnection } from "../support/raw-http.ts";
import { until } from "../support/until.ts";

/** The executable as its user meets it: what it says, on which stream, and with which exit code. */

const SEED = Buffer.alloc(32, 1).toString("base64");
const ANY_PORTS = ["edge", "grpc", "admin"].flatMap((name) => ["--set", `${name}.listen=127.0.0.1:0`]);
const ANY_DEV_PORTS = [...ANY_PORTS, "--set", "dev.backend_listen=127.0.0.1:0", "--set", "dev.push_listen=127.0.0.1:0"];

/** All that `serve` needs. */
const SERVE_ENV = {
  SALLYPORT_KEYS_CURRENT: SEED,
  SALLYPORT_BACKEND_URL: "http://127.0.0.1:9",
  SALLYPORT_PUSH_URL: "http://127.0.0.1:9",
};

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = runCommand(args, env);
  const code = await command.exited;
  return { code, out: command.stdout(), err: command.stderr() };
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

describe("the command line", () => {
  test.each([["nonsense"], ["toString"], ["__proto__"], ["Serve"]])(
    "unknown command %s: said so with the usage on stderr, exit 2",
    async (name) => {
      const { code, out, err } = await run([name]);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).toContain(`there is no command ${name}`);
      for (const command of ["serve", "dev", "demo", "keygen", "version"]) expect(err).toContain(command);
    },
  );

  test("no command: the usage on stderr, exit 2; asked for: on stdout, exit 0", async () => {
    const [none, asked] = await Promise.all([run([]), run(["--help"])]);
    expect({ code: none.code, out: none.out }).toEqual({ code: 2, out: "" });
    expect(none.err).toContain("usage: sallyport");
    expect({ code: asked.code, err: asked.err }).toEqual({ code: 0, err: "" });
    expect(asked.out).toContain("usage: sallyport");
  });

  test("each command has a help of its own, with an example, however it is asked for; exit 0", async () => {
    const helps = new Set<string>();
    for (const command of ["serve", "dev", "demo", "keygen", "version"]) {
      const asked = await Promise.all(
        [
          [command, "--help"],
          [command, "-h"],
          ["help", command],
          ["--help", command],
        ].map((args) => run(args)),
      );
      const [{ out } = { out: "" }] = asked;
      for (const each of asked) expect(each).toEqual({ code: 0, out, err: "" });
      expect(out).toStartWith(`usage: sallyport ${command}`);
      expect(out).toMatch(new RegExp(`^Example:\n\n(  sallyport .+\n)*  sallyport ${command}`, "m"));
      for (const line of lines(out)) expect(line.length).toBeLessThanOrEqual(132);
      helps.add(out);
    }
    expect(helps.size).toBe(5);
    const withOthers = await run(["serve", "--config", "none.toml", "--help"]);
    expect({ code: withOthers.code, isHelp: helps.has(withOthers.out) }).toEqual({ code: 0, isHelp: true });
  });

  test("what stands in a command's place and may be a secret is not shown", async () => {
    for (const args of [
      ["keys.current=hunter2"],
      [SEED],
      ["version", "hunter2"],
      ["keygen", "hunter2"],
      ["serve", "hunter2"],
    ]) {
      const { code, out, err } = await run(args);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).not.toContain("hunter2");
      expect(err).not.toContain(SEED);
    }
  });

  test("version: one line, exit 0", async () => {
    const [{ code, out }, asFlag] = await Promise.all([run(["version"]), run(["--version"])]);
    expect([code, asFlag.out]).toEqual([0, out]);
    expect(out).toMatch(/^sallyport \d+\.\d+\.\d+ \(Bun \d+\.\d+\.\d+\)\n$/);
  });

  test("keygen: a seed that serve takes, exit 0", async () => {
    const { code, out } = await run(["keygen"]);
    expect(code).toBe(0);
    const seed = /^seed {8}(\S+)$/m.exec(out)?.[1] ?? "";
    expect(Buffer.from(seed, "base64").byteLength).toBe(32);
  });
});

test("serve without routes: starts, with a warning", async () => {
  const gateway = runCommand(["serve", ...ANY_PORTS], SERVE_ENV);
  await until(() => gateway.stdout().includes("gateway started"), "the gateway to be up");
  expect(gateway.stdout()).toMatch(/"level":"warn","msg":"no routes configured/);
  gateway.kill("SIGTERM");
  expect(await gateway.exited).toBe(0);
  const routes = '[{"message_type":"a.b","method":"GET","path":"/api/v1/user/x"}]';
  const routed = runCommand(["serve", ...ANY_PORTS], { ...SERVE_ENV, SALLYPORT_ROUTES: routes });
  await until(() => routed.stdout().includes("gateway started"), "the gateway to be up");
  expect(routed.stdout()).not.toContain("no routes configured");
  routed.kill("SIGTERM");
  await routed.exited;
});

describe("serve without what it needs", () => {
  test("without anything: each missing setting by name, at once, and how to make a key; exit 2", async () => {
    const { code, out, err } = await run(["serve", ...ANY_PORTS]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    for (const name of ["backend.url", "push.url", "keys.current", "keygen"]) expect(err).toContain(name);
    expect(lines(err)).toHaveLength(4);
    expect(err).not.toMatch(/^ +at /m);
  });

  test("with a bad configuration: each problem named at once, by key and by where it came from, exit 2", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sallyport-cli-"));
    const file = join(directory, "sallyport.toml");
    await Bun.write(file, '[edge]\nlisten = "nowhere"\n[limits]\npayload_bytes = 1\n');
    const env = {
      SALLYPORT_BACKEND_URL: "ftp://x",
      SALLYPORT_LOG_LEVEL: "loud",
      SALLYPORT_KEYS_CURRENT: "tooshort",
      SALLYPORT_EDGE_LISTN: "x",
    };
    const { code, out, err } = await run(["serve", "--config", file, "--set", "budgets.ip.burst=0", "--colour"], env);
    await rm(directory, { recursive: true });
    expect({ code, out }).toEqual({ code: 2, out: "" });
    for (const name of [
      "edge.listen",
      "limits.payload_bytes",
      "backend.url",
      "log.level",
      "keys.current",
      "SALLYPORT_EDGE_LISTN",
      "budgets.ip.burst",
      "--colour",
    ]) {
      expect(err).toContain(name);
    }
    expect(err).not.toContain("tooshort");
    expect(err).not.toMatch(/^ +at /m);
  });

  test("with a file that is not there, or is no TOML: one line, exit 2", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sallyport-cli-"));
    const file = join(directory, "sallyport.toml");
    await Bun.write(file, "edge = [");
    for (const path of [join(directory, "none.toml"), file]) {
      const { code, err } = await run(["serve", "--config", path], { SALLYPORT_KEYS_CURRENT: SEED });
      expect(code).toBe(2);
      expect(err).toContain(path);
      expect(err).not.toMatch(/^ +at /m);
    }
    await rm(directory, { recursive: true });
  });
});

describe("a port in use: one line that says whose and which, exit 1, and nothing left running", () => {
  let taken: Bun.Server<undefined>;
  beforeAll(() => {
    taken = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  });
  afterAll(() => taken.stop(true));

  test.each([
    ["serve", "edge.listen"],
    ["serve", "grpc.listen"],
    ["serve", "admin.listen"],
    ["dev", "edge.listen"],
    ["dev", "dev.backend_listen"],
    ["dev", "dev.push_listen"],
  ])("%s with %s", async (command, key) => {
    const address = `127.0.0.1:${taken.port}`;
    const { code, err } = await run([command, ...ANY_DEV_PORTS, "--set", `${key}=${address}`], {
      ...SERVE_ENV,
    });
    expect(code).toBe(1);
    expect(lines(err)).toHaveLength(1);
    expect(err).toContain(`cannot listen on ${address}: the port is in use`);
  });

  test("an address that is not this machine's", async () => {
    const { code, err } = await run(["serve", ...ANY_PORTS, "--set", "edge.listen=192.0.2.1:0"], {
      ...SERVE_ENV,
    });
    expect(code).toBe(1);
    expect(lines(err)).toHaveLength(1);
    expect(err).toContain("the edge cannot listen on 192.0.2.1:0");
  });
});

test("demo: the whole story holds, exit 0", async () => {
  const { code, out, err } = await run(["demo"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).not.toContain("✗");
  expect(out).toMatch(/✓ All \d+ steps held/);
});

describe("signals", () => {
  async function up(...args: string[]): Promise<{ gateway: Command; edge: URL }> {
    const gateway = runCommand(["serve", ...ANY_PORTS, "--set", "shutdown.deadline_ms=60000", ...args], SERVE_ENV);
    await until(() => gateway.stdout().includes("gateway started"), "the gateway to be up");
    const line = lines(gateway.stdout()).find((each) => each.includes("gateway started")) ?? "";
    const { edge }: { edge: string } = JSON.parse(line);
    return { gateway, edge: new URL(edge) };
  }

  test.each(["SIGTERM", "SIGINT"] as const)("%s with nothing to do: exit 0, and the port is free", async (signal) => {
    const { gateway, edge } = await up();
    gateway.kill(signal);
    expect(await gateway.exited).toBe(0);
    expect(gateway.stdout()).toContain("gateway stopped");
    const again = connect(Number(edge.port), edge.hostname);
    await new Promise<void>((resolve, reject) =>
      again.once("error", () => resolve()).once("connect", () => reject(new Error("still there"))),
    );
  });

  test("SIGHUP: the file's budgets are taken up while it serves; a file that is not in order changes nothing", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sallyport-cli-"));
    const file = join(directory, "sallyport.toml");
    await Bun.write(file, "[budgets.public_misc]\nrate = 0.001\nburst = 1000\n");
    const { gateway, edge } = await up("--config", file);
    const keys = async () => (await fetch(new URL("/.well-known/jwks.json", edge))).status;
    const reload = async (toml: string, said: string) => {
      await Bun.write(file, toml);
      gateway.kill("SIGHUP");
      await until(() => gateway.stdout().includes(said), said);
    };
    expect([await keys(), await keys()]).toEqual([200, 200]);
    await reload("[budgets.public_misc]\nrate = 0.001\nburst = 0\n", "configuration reload refused");
    expect(await keys()).toBe(200);
    await reload(
      "[budgets.public_misc]\nrate = 0.001\nburst = 1\n[backend]\ntimeout_ms = 7\n",
      "configuration change requires restart",
    );
    expect(await keys()).toBe(429);
    expect(gateway.stdout()).toMatch(/"msg":"configuration reloaded".*budgets\.public_misc\.burst/);
    expect(gateway.stdout()).toMatch(/requires restart","keys":"backend\.timeout_ms"/);
    gateway.kill("SIGTERM");
    expect(await gateway.exited).toBe(0);
    await rm(directory, { recursive: true });
  });

  /** A gateway with a request under way, which it would wait for up to its deadline of a minute. */
  async function upWithSlowRequest() {
    const { gateway, edge } = await up();
    const slow = await RawConnection.open(edge.origin);
    const head =
      "POST /sallyport.v1.Gateway/ExecuteCommand HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\n";
    slow.send(`${head}Content-Length: 100\r\n\r\n{`);
    // An answer on another connection, sent later, shows that the request has arrived.
    const probe = await RawConnection.open(edge.origin);
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
  ] as const)("%s and %s in one moment are the same stop: what is under way is answered, exit 0", async (first, second) => {
    const { gateway, slow } = await upWithSlowRequest();
    gateway.kill(first);
    gateway.kill(second);
    gateway.kill(first);
    await until(() => gateway.stdout().includes("gateway stopping"), "the first signal to be heard");
    gateway.kill(second);
    slow.send("}".padEnd(99));
    expect((await slow.answer())?.status).toBe(503);
    slow.close();
    expect(await gateway.exited).toBe(0);
    expect(gateway.stdout().match(/gateway stopping/g)).toHaveLength(1);
  });

  test("a signal more than a second later ends at once what the first one waits for, exit 1", async () => {
    const { gateway, slow } = await upWithSlowRequest();
    const stopped = { code: undefined as number | undefined };
    gateway.exited.then((code) => {
      stopped.code = code;
    });
    const askedAtMs = performance.now();
    gateway.kill("SIGTERM");
    await until(() => {
      if (stopped.code === undefined) gateway.kill("SIGINT");
      return stopped.code !== undefined;
    }, "the second signal to be heard");
    expect(stopped.code).toBe(1);
    expect(performance.now() - askedAtMs).toBeGreaterThan(1000);
    expect(gateway.stdout()).not.toContain("gateway stopped");
    slow.close();
  });

  test.each(["serve", "dev"] as const)(
    "SIGHUP during the start of %s waits until it is up, and then reloads",
    async (command) => {
      const directory = await mkdtemp(join(tmpdir(), "sallyport-cli-"));
      const file = join(directory, "sallyport.toml");
      await Bun.spawn(["mkfifo", file]).exited;
      // The start waits for its file: the pipe has no writer yet.
      const gateway = runCommand([command, "--config", file, ...ANY_DEV_PORTS], SERVE_ENV);
      const writer = await untilReader(file);
      gateway.kill("SIGHUP");
      // Once up, it reads the file again, for the signal's sake.
      await rm(file);
      await Bun.write(file, "[budgets.ip]\nburst = 8\n");
      await writer.writeFile("[budgets.ip]\nburst = 7\n");
      await writer.close();
      await until(() => gateway.stdout().includes("configuration reloaded"), "the reload");
      expect(gateway.stdout()).toMatch(/configuration reloaded.*budgets\.ip\.burst/);
      gateway.kill("SIGTERM");
      expect(await gateway.exited).toBe(0);
      await rm(directory, { recursive: true });
    },
  );
});

/** Opens a pipe for writing as soon as somebody reads from it. */
async function untilReader(path: string): Promise<FileHandle> {
  let opened: FileHandle | undefined;
  await until(async () => {
    opened = await open(path, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined);
    return opened !== undefined;
  }, "the pipe to be read");
  return opened ?? expect.unreachable();
}

test("a secret in the wrong place shows neither at the start nor, on SIGHUP, in the log", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sallyport-cli-"));
  const file = join(directory, "sallyport.toml");
  await Bun.write(file, '[stores]\nredis = "redis://:hunter2@127.0.0.1:1"\n');
  const { code, out, err } = await run(["serve", "--config", file, ...ANY_PORTS], SERVE_ENV);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain("stores.redis");
  expect(err).not.toContain("hunter2");
  await Bun.write(file, "");
  const gateway = runCommand(["serve", "--config", file, ...ANY_PORTS], SERVE_ENV);
  await until(() => gateway.stdout().includes("gateway started"), "the gateway to be up");
  for (const wrong of [
    '[stores]\nredis = "redis://:hunter2@127.0.0.1:1"',
    "[stores]\nkind = hunter2",
    '[stores]\nkind = "hunter2"',
  ]) {
    const refusals = () => gateway.stdout().split("configuration reload refused").length;
    const before = refusals();
    await Bun.write(file, wrong);
    gateway.kill("SIGHUP");
    await until(() => refusals() > before, "the refusal");
  }
  gateway.kill("SIGTERM");
  await gateway.exited;
  expect(gateway.stdout()).toContain("stores.redis");
  expect(gateway.stdout() + gateway.stderr()).not.toContain("hunter2");
  await rm(directory, { recursive: true });
});

test("a Redis file whose path is none of one shows nothing of it", async () => {
  const { code, err } = await run(
    ["serve", ...ANY_PORTS, "--set", "stores.kind=redis", "--set", "stores.redis.url=rediss://127.0.0.1:1"],
    { ...SERVE_ENV, SALLYPORT_STORES_REDIS_CA_FILE: "hunter2" },
  );
  expect(code).toBe(1);
  expect(err).toContain("stores.redis.ca_file");
  expect(err).not.toContain("hunter2");
});

describe.each(["serve", "dev"])("under `bun run %s`, a signal to the process group, which arrives twice", (command) => {
  test.each(["SIGINT", "SIGTERM"] as const)("%s: what is under way is answered, and the stop is in order", async (signal) => {
    const args = [...ANY_DEV_PORTS, "--set", "shutdown.deadline_ms=60000", "--set", "log.format=json"];
    const group = runScript(command, args, SERVE_ENV);
    await until(() => group.stdout().includes("gateway started"), `the gateway to be up: ${group.stderr()}`);
    const [line = ""] = group.stdout().match(/^\{.*gateway started.*$/m) ?? [];
    const { edge }: { edge: string } = JSON.parse(line);
    const slow = await RawConnection.open(edge);
    const head =
      "POST /sallyport.v1.Gateway/ExecuteCommand HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\n";
    slow.send(`${head}Content-Length: 100\r\n\r\n{`);
    const probe = await RawConnection.open(edge);
    probe.send(`${head}Content-Length: 2\r\n\r\n{}`);
    await probe.answer();
    probe.close();
    group.killGroup(signal);
    await until(() => group.stdout().includes("gateway stopping"), "the signal to be heard");
    slow.send("}".padEnd(99));
    expect((await slow.answer())?.status).toBe(503);
    slow.close();
    await until(() => group.stdout().includes("gateway stopped"), "the stop");
    expect(group.stdout()).toMatch(/gateway stopped.*"in_time":true/);
    await group.exited;
  });
});
