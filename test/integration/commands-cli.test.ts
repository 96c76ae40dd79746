import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ALL_COMMANDS } from "../../src/cli/specs/all.ts";
import { startDevProcess } from "../support/dev-process.ts";
import { runCommand } from "../support/process.ts";
import { ANY_DEV_PORTS, ANY_PORTS, SEED, SERVE_ENV } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";

/** The executable: its output, streams and exit codes. */

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = runCommand(args, env);
  const code = await command.exited;
  return { code, out: command.stdout(), err: command.stderr() };
}

const COMMANDS = [
  "serve",
  "dev",
  "demo",
  "keygen",
  "health",
  "version",
  "login",
  "call",
  "listen",
  "whoami",
  "logout",
  "completion",
];

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

describe("the command line", () => {
  test.each([["nonsense"], ["toString"], ["__proto__"], ["Serve"]])(
    "unknown command %s: an error and the usage on stderr, exit 2",
    async (name) => {
      const { code, out, err } = await run([name]);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).toContain(`there is no command ${name}`);
      for (const command of COMMANDS) expect(err).toContain(command);
    },
  );

  test.each([["help"], ["--help"]])("%s of an unknown command: the same error, exit 2", async (help) => {
    const { code, out, err } = await run([help, "nope"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toStartWith("sallyport: there is no command nope\nusage: sallyport");
  });

  test("a misspelt command: the error names the command that was meant", async () => {
    expect((await run(["logn"])).err).toStartWith('sallyport: there is no command logn (did you mean "login"?)\n');
  });

  test("the general help has the summary that the completion shows of each command", async () => {
    const { out } = await run(["--help"]);
    for (const { name, summary } of ALL_COMMANDS) expect(out).toMatch(new RegExp(`^  ${name} +${summary}$`, "m"));
  });

  test("no command: usage on stderr, exit 2; --help: usage on stdout, exit 0", async () => {
    const [none, asked] = await Promise.all([run([]), run(["--help"])]);
    expect({ code: none.code, out: none.out }).toEqual({ code: 2, out: "" });
    expect(none.err).toContain("usage: sallyport");
    expect({ code: asked.code, err: asked.err }).toEqual({ code: 0, err: "" });
    expect(asked.out).toContain("usage: sallyport");
  });

  test("each command has its own help with an example, in every spelling of the help flag; exit 0", async () => {
    const helps = new Set<string>();
    for (const [n, command] of COMMANDS.entries()) {
      const spellings = [
        [command, "-h"],
        ["help", command],
        ["--help", command],
      ];
      // A process starts for each one, so every command has one of the other spellings.
      const asked = await Promise.all([run([command, "--help"]), run(spellings[n % spellings.length] ?? [])]);
      const [{ out } = { out: "" }] = asked;
      for (const each of asked) expect(each).toEqual({ code: 0, out, err: "" });
      expect(out).toStartWith(`usage: sallyport ${command}`);
      expect(out).toMatch(new RegExp(`^Example:\n\n(  sallyport .+\n)*  sallyport ${command}`, "m"));
      for (const line of lines(out)) expect(line.length).toBeLessThanOrEqual(132);
      helps.add(out);
    }
    expect(helps.size).toBe(COMMANDS.length);
    const withOthers = await run(["serve", "--config", "none.toml", "--help"]);
    expect({ code: withOthers.code, isHelp: helps.has(withOthers.out) }).toEqual({ code: 0, isHelp: true });
  }, 120_000);

  test("an argument in place of a command is not quoted if it may be a secret", async () => {
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
    expect(out).toMatch(/^sallyport \d+\.\d+\.\d+ \(commit unknown, Bun \d+\.\d+\.\d+\)\n$/);
  });

  test("keygen: a seed of 32 bytes, exit 0", async () => {
    const { code, out } = await run(["keygen"]);
    expect(code).toBe(0);
    const seed = /^seed {8}(\S+)$/m.exec(out)?.[1] ?? "";
    expect(Buffer.from(seed, "base64").byteLength).toBe(32);
  });
});

test("serve without routes starts with a warning", async () => {
  const gateway = runCommand(["serve", ...ANY_PORTS], SERVE_ENV);
  await until(() => gateway.stdout().includes("gateway started"), "the gateway to start");
  expect(gateway.stdout()).toMatch(/"level":"warn","msg":"no routes configured/);
  gateway.kill("SIGTERM");
  expect(await gateway.exited).toBe(0);
  const routes = '[{"message_type":"a.b","method":"GET","path":"/api/v1/user/x"}]';
  const routed = runCommand(["serve", ...ANY_PORTS], { ...SERVE_ENV, SALLYPORT_ROUTES: routes });
  await until(() => routed.stdout().includes("gateway started"), "the gateway to start");
  expect(routed.stdout()).not.toContain("no routes configured");
  routed.kill("SIGTERM");
  await routed.exited;
});

describe("serve with missing or invalid settings", () => {
  test("no settings: all missing settings are reported with a way to generate a key; exit 2", async () => {
    const { code, out, err } = await run(["serve", ...ANY_PORTS]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    for (const name of ["backend.url", "push.url", "keys.current", "keygen"]) expect(err).toContain(name);
    expect(lines(err)).toHaveLength(4);
    expect(err).not.toMatch(/^ +at /m);
  });

  test("an invalid configuration: all problems are reported with key and source, exit 2", async () => {
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

  test("a missing file or invalid TOML: one line, exit 2", async () => {
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

test("dev prints its message types, and that sessions end with it unless dev.database names a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-dev-"));
  for (const [database, isKept] of [
    [":memory:", false],
    [join(folder, "dev.sqlite"), true],
  ] as const) {
    const dev = await startDevProcess(`dev.database=${database}`);
    expect(dev.logged()).toContain("\nMessage types: user.profile.get, user.profile.update, chat.message.send\n");
    expect(dev.logged().includes("log in again after SESSION_NOT_FOUND. To keep them, --set dev.database=FILE.\n")).toBe(
      !isKept,
    );
    expect(await dev.stop()).toBe(0);
  }
  await rm(folder, { recursive: true });
});

describe("a port in use: one line with listener and address, exit 1", () => {
  let taken: Bun.Server<undefined>;
  beforeAll(() => {
    taken = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  });
  afterAll(() => taken.stop(true));

  const { SALLYPORT_PUSH_URL: _, ...withoutPushUrl } = SERVE_ENV;
  const workers = ["--set", "workers.count=2"];
  const push = ["--set", "push.source=http", "--set", `push.token=${"t".repeat(32)}`];
  test.each<[command: string, key: string, more?: string[]]>([
    ["serve", "edge.listen"],
    ["serve", "grpc.listen"],
    ["serve", "admin.listen"],
    ["serve", "push.listen", push],
    ["serve", "edge.listen", workers],
    ["serve", "grpc.listen", workers],
    ["dev", "edge.listen"],
    ["dev", "dev.backend_listen"],
    ["dev", "dev.push_listen"],
  ])("%s with %s %j", async (command, key, more = []) => {
    const address = `127.0.0.1:${taken.port}`;
    const { code, err } = await run([command, ...ANY_DEV_PORTS, ...more, "--set", `${key}=${address}`], {
      ...(key === "push.listen" ? withoutPushUrl : SERVE_ENV),
    });
    expect(code).toBe(1);
    expect(lines(err)).toHaveLength(1);
    expect(err).toContain(`cannot listen on ${address}: the port is in use`);
    expect(err).toEndWith(`; to use another address, --set ${key}=HOST:PORT\n`);
    expect(err.includes("; is another sallyport dev running?")).toBe(command === "dev");
  });

  test("an address of another host: one line, exit 1", async () => {
    const { code, err } = await run(["serve", ...ANY_PORTS, "--set", "edge.listen=192.0.2.1:0"], {
      ...SERVE_ENV,
    });
    expect(code).toBe(1);
    expect(lines(err)).toHaveLength(1);
    expect(err).toContain("the edge cannot listen on 192.0.2.1:0");
  });
});

test("demo: all steps pass, exit 0", async () => {
  const { code, out, err } = await run(["demo"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).not.toContain("✗");
  expect(out).toMatch(/✓ All \d+ steps passed/);
});

test("a misplaced secret is not quoted, neither at the start nor in the log of a reload", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sallyport-cli-"));
  const file = join(directory, "sallyport.toml");
  await Bun.write(file, '[stores]\nredis = "redis://:hunter2@127.0.0.1:1"\n');
  const { code, out, err } = await run(["serve", "--config", file, ...ANY_PORTS], SERVE_ENV);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain("stores.redis");
  expect(err).not.toContain("hunter2");
  await Bun.write(file, "");
  const gateway = runCommand(["serve", "--config", file, ...ANY_PORTS], SERVE_ENV);
  await until(() => gateway.stdout().includes("gateway started"), "the gateway to start");
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

test("a misplaced secret in a Redis file setting is not quoted", async () => {
  const { code, err } = await run(
    ["serve", ...ANY_PORTS, "--set", "stores.kind=redis", "--set", "stores.redis.url=rediss://127.0.0.1:1"],
    { ...SERVE_ENV, SALLYPORT_STORES_REDIS_CA_FILE: "hunter2" },
  );
  expect(code).toBe(1);
  expect(err).toContain("stores.redis.ca_file");
  expect(err).not.toContain("hunter2");
});
