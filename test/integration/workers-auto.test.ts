import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ANY_PORTS, SERVE_ENV } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";

/** The number of workers that `sallyport serve` starts. */

const MAIN = join(import.meta.dir, "../../src/main.ts");
const CPUS = navigator.hardwareConcurrency;
const NOT_HERE =
  process.platform !== "linux" || Bun.which("taskset") === null || CPUS < 2
    ? "skipped: needs Linux, taskset and two processors"
    : undefined;

const started: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const each of started.splice(0)) {
    each.kill("SIGKILL");
    await each.exited;
  }
});

/** Starts `serve` on some processors, and resolves to the fields of its line "gateway started". */
async function serve(cpus: string, settings: readonly string[] = []) {
  const { SALLYPORT_WORKERS_COUNT: _, ...env } = SERVE_ENV;
  const flags = [...ANY_PORTS, "--set", "replay.entries_max=10000", "--set", "buckets.entries_max=10000", ...settings];
  const child = Bun.spawn(["taskset", "-c", cpus, process.execPath, MAIN, "serve", ...flags], {
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "inherit",
  });
  started.push(child);
  let output = "";
  void (async () => {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) output += chunk;
  })();
  const line = () => output.split("\n").find((each) => each.includes('"gateway started"'));
  await until(() => line() !== undefined, "the start");
  const workers = Bun.spawnSync(["pgrep", "-P", String(child.pid), "-f", "main.ts worker"]).stdout.toString();
  return { started: JSON.parse(line() ?? "{}"), workers: workers.split("\n").filter((pid) => pid !== "").length };
}

describe.skipIf(NOT_HERE !== undefined)(NOT_HERE ?? "sallyport serve", () => {
  test("starts a worker for each processor that its affinity allows", async () => {
    const { started: fields, workers } = await serve("0,1");
    expect([fields.workers, workers]).toEqual([2, 2]);
  });

  test("is one process on one processor", async () => {
    const { started: fields, workers } = await serve("0");
    expect([fields.workers, workers]).toEqual([undefined, 0]);
  });

  test("starts the number of workers that is set, whatever its affinity is", async () => {
    expect((await serve("0", ["--set", "workers.count=3"])).workers).toBe(3);
    expect((await serve("0,1", ["--set", "workers.count=1"])).workers).toBe(0);
  });
});
