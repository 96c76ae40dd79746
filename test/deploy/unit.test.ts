import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SERVE_DEFAULTS } from "../../src/cli/serve-defaults.ts";
import { CONFIG_KEYS, SCHEMA, variableOf } from "../../src/config/schema.ts";

/** The systemd unit that operators copy. */

const root = join(import.meta.dir, "../..");
const UNIT = await readFile(join(root, "src/app/deploy/sallyport.service"), "utf8");
const ANALYZE = Bun.which("systemd-analyze");
const NO_SYSTEMD = ANALYZE === null ? "systemd-analyze is not installed (apt-get install systemd)" : undefined;
/** Ten times the level up to which systemd calls a service OK. 1.4 is the level of the unit. */
const EXPOSURE_MAX = 15;

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-unit-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The values of a key, in order. */
function valuesOf(key: string): string[] {
  return [...UNIT.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);
}

describe.skipIf(NO_SYSTEMD !== undefined)(NO_SYSTEMD ?? "systemd-analyze", () => {
  /** Writes the unit with an executable that exists on this machine. */
  async function analyze(text: string, ...command: string[]) {
    const path = join(folder, "sallyport.service");
    await writeFile(path, text.replace("/usr/local/bin/sallyport", process.execPath));
    const { exitCode, stdout, stderr } = Bun.spawnSync([ANALYZE ?? "systemd-analyze", ...command, path]);
    return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
  }

  test("verify accepts every line, and notices a wrong one", async () => {
    expect(await analyze(UNIT, "verify", "--man=no")).toEqual({ code: 0, out: "", err: "" });
    const wrong = await analyze(UNIT.replace("KillMode=mixed", "KillMode=gently"), "verify", "--man=no");
    expect(wrong.err).toContain("gently");
  });

  test("security finds little exposure, and more without the hardening", async () => {
    const security = ["security", "--no-pager", "--offline=true", `--threshold=${EXPOSURE_MAX}`];
    expect((await analyze(UNIT, ...security)).code).toBe(0);
    expect((await analyze(UNIT.replace("ProtectSystem=strict\n", ""), ...security)).code).not.toBe(0);
  });
});

test("the engine may compile to machine code", () => {
  expect(valuesOf("MemoryDenyWriteExecute")).toEqual([]);
});

test("a stop removes no file of /dev/shm, because stores.shared_file may be there", () => {
  expect(valuesOf("RemoveIPC")).toEqual([]);
});

test("a stop has time for all of its steps, and only the main process gets the signal", () => {
  const { "shutdown.drain_ms": drainMs, "shutdown.spread_ms": spreadMs } = SERVE_DEFAULTS;
  const seconds = Number(/^(\d+)s$/.exec(valuesOf("TimeoutStopSec")[0] ?? "")?.[1]);
  expect(seconds * 1000).toBeGreaterThan(drainMs + spreadMs + SCHEMA["shutdown.deadline_ms"].default);
  expect([valuesOf("KillSignal"), valuesOf("KillMode")]).toEqual([["SIGTERM"], ["mixed"]]);
});

test("every variable is a setting, and its file is in a directory that the unit creates", () => {
  const variables = valuesOf("Environment").map((line) => line.split("="));
  const names = new Map(CONFIG_KEYS.map((key) => [variableOf(key), key]));
  const created = [`/var/lib/${valuesOf("StateDirectory")[0]}/`, `/run/${valuesOf("RuntimeDirectory")[0]}/`];
  const keys = variables.map(([name = ""]) => names.get(name));
  expect(keys).toEqual(["history.checkpoint_file", "stores.shared_file"]);
  for (const [, path = ""] of variables) expect(created.some((directory) => path.startsWith(directory))).toBe(true);
  expect(valuesOf("RuntimeDirectoryPreserve")).toEqual(["yes"]);
});

test("systemd follows the gateway: its start, its watchdog, and its new main process at an upgrade", () => {
  expect([valuesOf("Type"), valuesOf("NotifyAccess")]).toEqual([["notify"], ["main"]]);
  expect(Number(/^(\d+)s$/.exec(valuesOf("WatchdogSec")[0] ?? "")?.[1])).toBeGreaterThanOrEqual(10);
  expect(valuesOf("ExecReload")).toEqual(["/bin/kill -HUP $MAINPID"]);
  // Unix sockets, for sd_notify(3).
  expect(valuesOf("RestrictAddressFamilies")[0]?.split(" ")).toContain("AF_UNIX");
});
