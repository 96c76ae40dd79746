import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Shell } from "../support/cli/shell.ts";
import { runCommand } from "../support/process.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { ANY_PORTS, SEED } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";

/** The gateway starts with the variables of the systemd unit, whatever its push source is. */

const root = join(import.meta.dir, "../..");
const UNIT = await readFile(join(root, "src/app/deploy/sallyport.service"), "utf8");
const SMALL_FILE = ["replay.entries_max=10000", "buckets.entries_max=10000", "session_cache.entries_max=1000"];
const MINIMAL = ["backend.url=http://127.0.0.1:9", "workers.count=1", `keys.current=${SEED}`, ...SMALL_FILE];

let folder = "";
let redis: TestRedis | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-unit-start-"));
  for (const name of ["backend.token", "push.token", "gateway.key"]) {
    await writeFile(join(folder, name), name.endsWith("key") ? SEED : "t".repeat(40), { mode: 0o600 });
  }
  if (NO_REDIS === undefined) redis = await TestRedis.start();
});
afterAll(async () => {
  await redis?.kill();
  await rm(folder, { recursive: true });
});

/** The variables of the unit, with directories that this user can write. */
function unitVariables(): Record<string, string> {
  const lines = [...UNIT.matchAll(/^Environment=(\w+)=(.*)$/gm)];
  return Object.fromEntries(lines.map(([, name = "", path = ""]) => [name, path.replace(/^.*\//, `${folder}/`)]));
}

/** Starts the gateway until it listens, stops it, and returns the warnings of its log about unused settings. */
async function unusedSettings(flags: readonly string[]): Promise<unknown[]> {
  const gateway = runCommand(["serve", ...ANY_PORTS, ...flags], unitVariables());
  let hasEnded = false;
  void gateway.exited.then(() => {
    hasEnded = true;
  });
  await until(() => hasEnded || gateway.stdout().includes('"gateway started"'), "the gateway to start", 30_000);
  gateway.kill("SIGTERM");
  expect({ code: await gateway.exited, err: gateway.stderr() }).toEqual({ code: 0, err: "" });
  const lines = gateway.stdout().split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "setting unused");
}

const set = (...settings: readonly string[]) => settings.flatMap((setting) => ["--set", setting]);
const unused = (push_source: string, reason: string) =>
  expect.objectContaining({ level: "warn", setting: "history.checkpoint_file", push_source, reason });
const WITH_HTTP = unused("http", "push.log_file keeps its events");
const WITH_REDIS = unused("redis", "the Redis Stream keeps its events");

describe("each example of a service", () => {
  const cases = [
    ["express", WITH_HTTP],
    ["fastapi", WITH_HTTP],
    ["php", WITH_HTTP],
    ["go", WITH_REDIS],
  ] as const;
  for (const [name, warning] of cases) {
    const why = name === "go" ? NO_REDIS : undefined;
    test.skipIf(why !== undefined)(
      `${name}${why === undefined ? "" : ` (skipped: ${why})`}`,
      async () => {
        const flags = [
          ...["--config", join(root, "proto/examples", name, "sallyport.toml")],
          ...set(`backend.token_file=${folder}/backend.token`, `keys.current_file=${folder}/gateway.key`, ...SMALL_FILE),
          ...(name === "go"
            ? set(`push.redis.url=${redis?.url}`)
            : set(`push.token_file=${folder}/push.token`, "push.listen=127.0.0.1:0")),
        ];
        expect(await unusedSettings(flags)).toEqual([warning]);
        expect(await Bun.file(join(folder, "checkpoint")).exists()).toBe(false);
      },
      60_000,
    );
  }
});

test("the gRPC stream uses the checkpoint file, without a warning; the supervisor of workers warns once with http", async () => {
  expect(await unusedSettings(set("push.url=http://127.0.0.1:9", ...MINIMAL))).toEqual([]);
  const withHttp = set(
    ...MINIMAL,
    "push.source=http",
    `push.token_file=${folder}/push.token`,
    "push.listen=127.0.0.1:0",
    "workers.count=2",
  );
  expect(await unusedSettings(withHttp)).toEqual([WITH_HTTP]);
}, 60_000);

test("config check names the variable, and its probe does not need the folder of an unused file", async () => {
  const shell = new Shell();
  const variable = "SALLYPORT_HISTORY_CHECKPOINT_FILE";
  const settings = [...MINIMAL, "push.source=http", `push.token_file=${folder}/push.token`, "push.listen=127.0.0.1:0"];
  const flags = [...ANY_PORTS, ...set(...settings)].join(" ");
  const { code, out } = await shell.run(`sallyport config check ${flags}`, { env: { [variable]: "/none/c" } });
  expect(code).toBe(0);
  expect(out).toContain(
    `warning  history.checkpoint_file (variable ${variable}): unused, because push.source is http: push.log_file keeps its events\n`,
  );
  const probe = await shell.run(`sallyport config check --probe ${flags}`, { env: { [variable]: "/none/c" } });
  expect(probe.out).not.toMatch(/^(ok|error) +history\.checkpoint_file/m);
  shell.close();
}, 60_000);
