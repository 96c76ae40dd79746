import { afterEach, expect, test } from "bun:test";
import { runCommand } from "../../support/process.ts";
import { ANY_DEV_PORTS } from "../../support/serve-settings.ts";
import { until } from "../../support/until.ts";

/** What `sallyport dev` says about requests and settings that only `sallyport serve` supports. */

const WHY = "sallyport dev has one process and cannot be upgraded: restart it instead";

let closing: (() => Promise<unknown>) | undefined;
afterEach(() => closing?.());

async function dev(...settings: string[]) {
  const flags = settings.flatMap((each) => ["--set", each]);
  const command = runCommand(["dev", ...ANY_DEV_PORTS, "--set", "log.format=json", ...flags]);
  closing = () => {
    command.kill("SIGTERM");
    return command.exited;
  };
  await until(() => command.stdout().includes("push feed up"), `the start: ${command.stderr()}`, 30_000);
  return { ...command, adminUrl: /^ {2}admin +(\S+)/m.exec(command.stdout())?.[1] ?? "" };
}

test("settings that dev does not use are named in one warning", async () => {
  const { stdout } = await dev(
    ...["workers.count=2", "upgrade.timeout_ms=5000", "reload.watch_ms=1000", "history.checkpoint_file=x.json"],
    ...["backend.identity_headers.user_id=X-Person", "log.level=info"],
  );
  const lines = stdout().split("\n");
  expect(lines.filter((line) => line.includes("settings unused by dev"))).toHaveLength(1);
  const names = [
    ...["backend.identity_headers.user_id", "history.checkpoint_file", "workers.count"],
    ...["reload.watch_ms", "upgrade.timeout_ms"],
  ];
  expect(stdout()).toContain(`"settings":"${names.join(", ")}"`);
});

test("an upgrade is refused with the reason, by SIGUSR2 and by `sallyport upgrade`", async () => {
  const { adminUrl, stdout, kill } = await dev();
  expect(stdout()).not.toContain("settings unused by dev");
  kill("SIGUSR2");
  await until(() => stdout().includes(`"msg":"upgrade refused","cause":"${WHY}"`), "the log line");
  const upgrade = runCommand(["upgrade", "--url", adminUrl]);
  expect(await upgrade.exited).toBe(1);
  expect(upgrade.stderr()).toBe(`sallyport: upgrade refused: ${WHY}\n`);
});
