import { afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { selfSigned } from "../support/certificates.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";

/** What an operator sees of a worker that cannot be started again. */

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: workers need Linux";
const WAIT_MS_MAX = 20_000;

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

function killOldestWorker({ pid }: UpgradableGateway): void {
  const children = Bun.spawnSync(["pgrep", "-o", "-P", String(pid), "-f", " worker$"]).stdout.toString();
  process.kill(Number(children.trim()), "SIGKILL");
}

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "a worker that cannot be started again", () => {
  test("its problem is in the log and in /readyz, and the supervisor's own kills are not reported as crashes", async () => {
    const tls = await selfSigned("gateway");
    const settings = { "tls.certificate_file": tls.certificateFile, "tls.key_file": tls.keyFile, "tls.reload_ms": "3600000" };
    const gateway = await UpgradableGateway.start({ "workers.count": "2", ...settings });
    opened.defer(() => gateway.close());
    const readyz = async () => (await fetch(`${gateway.adminUrl}/readyz`)).json();

    writeFileSync(tls.certificateFile, "junk");
    killOldestWorker(gateway);
    const failed = () => gateway.lines("worker restart failed");
    await until(() => failed().length >= 2, "two failed restarts", WAIT_MS_MAX);
    for (const line of failed()) {
      expect(line["worker"]).toBe(0);
      expect(String(line["problem"])).toContain(tls.certificateFile);
      expect(line["retry_in_ms"]).toBeNumber();
      expect(line["signal"]).toBeUndefined();
    }
    expect(gateway.lines("worker ended unexpectedly").map(({ signal }) => signal)).toEqual(["SIGKILL"]);
    const reasons = Object(await readyz()).reasons.join("\n");
    expect(reasons).toContain("worker 0: last start failed: ");
    expect(reasons).toContain(tls.certificateFile);

    writeFileSync(tls.certificateFile, tls.certificate);
    await until(async () => Object(await readyz()).status === "ready", "the worker", WAIT_MS_MAX);
    expect(JSON.stringify(await readyz())).not.toContain("last start failed");
    await until(() => gateway.lines("worker restarted").length === 1, "the log line of the restart");
  }, 60_000);
});
