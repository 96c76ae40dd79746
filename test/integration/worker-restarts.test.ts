import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSupervisor } from "../../src/app/supervisor.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startDevBackend } from "../../src/dev/backend.ts";
import { createLog } from "../../src/observe/log.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { ROOMY } from "../support/world.ts";

/** What an operator sees of a worker that cannot be started again. */

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: workers need Linux";
const ANY_PORT = { host: "127.0.0.1", port: 0 };
const MAIN = join(import.meta.dir, "../../src/main.ts");
const WAIT_MS_MAX = 20_000;
/** Starts a worker, unless the file `$0` exists. */
const SCRIPT = 'if [ -e "$0" ]; then echo "library not found" >&2; exit 3; fi; exec "$@"';

function killWorker(): void {
  const children = Bun.spawnSync(["pgrep", "-o", "-P", String(process.pid), "-f", "main.ts worker"]).stdout.toString();
  process.kill(Number(children.trim()), "SIGKILL");
}

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a worker that cannot be started again", () => {
  test("its problem is in the log and in /readyz, until it starts", async () => {
    await using opened = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "sallyport-restarts-"));
    opened.defer(() => rmSync(folder, { recursive: true }));
    const broken = join(folder, "broken");
    const backend = await startDevBackend({
      restListen: ANY_PORT,
      pushListen: ANY_PORT,
      database: ":memory:",
      log: SILENT_LOG,
    });
    opened.defer(() => backend.stop());
    const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT };
    const wiring = { "backend.url": backend.restUrl, "push.url": backend.pushUrl, "keys.current": SEED };
    const batches: string[] = [];
    const log = createLog({ level: "debug", format: "json", write: (batch) => void batches.push(batch) });
    const lines = (msg: string) =>
      batches
        .flatMap((batch) => batch.trim().split("\n"))
        .map((line) => JSON.parse(line))
        .filter((line) => line.msg === msg);
    const gateway = await startSupervisor({
      config: loadConfig({ env: {}, overrides: { ...ROOMY, ...listen, ...wiring, "log.level": "error" } }),
      ...{ log, workers: 2, workerCommand: ["/bin/sh", "-c", SCRIPT, broken, process.execPath, MAIN, "worker"] },
    });
    opened.defer(async () => void (await gateway.stop()));
    const readyz = async () => (await fetch(`${gateway.adminUrl}/readyz`)).text();
    await until(async () => (await readyz()).includes('"ready"'), "the gateway", WAIT_MS_MAX);

    writeFileSync(broken, "");
    killWorker();
    await until(() => lines("worker restart failed").length >= 2, "two failed restarts", WAIT_MS_MAX);
    for (const line of lines("worker restart failed")) {
      expect(line).toMatchObject({ worker: 0, exit_code: 3, retry_in_ms: expect.any(Number) });
      expect(line.problem).toBe("a worker ended before it was ready: library not found");
    }
    expect(lines("worker ended unexpectedly")).toEqual([expect.objectContaining({ worker: 0, signal: "SIGKILL" })]);
    expect(await readyz()).toContain("worker 0: last start failed: a worker ended before it was ready: library not found");

    rmSync(broken);
    await until(() => lines("worker restarted").length === 1, "the restart", WAIT_MS_MAX);
    await until(async () => !(await readyz()).includes("last start failed"), "the worker", WAIT_MS_MAX);
  }, 60_000);
});
