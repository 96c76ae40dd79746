import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { SERVE_ENV } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";

/**
 * The warning about net.ipv4.tcp_migrate_req. Each gateway starts in a network namespace of its own, because the sysctl belongs to the
 * namespace.
 */

const MAIN = join(import.meta.dir, "../../src/main.ts");
const SETTING = "/proc/sys/net/ipv4/tcp_migrate_req";
const WARNING = "new connections can be reset at an upgrade";
const START_MS_MAX = 60_000;
/** The namespace has no loopback address. */
const LISTEN = ["edge", "grpc", "admin"].flatMap((name) => ["--set", `${name}.listen=0.0.0.0:0`]);

const namespace = () => Bun.spawnSync(["unshare", "--net", "sh", "-c", `echo 0 > ${SETTING}`]);
const isPossible = process.platform === "linux" && Bun.which("unshare") !== null && namespace().exitCode === 0;
const SKIPPED = isPossible ? undefined : "skipped: no network namespace with tcp_migrate_req can be made here";

/** Starts and stops the gateway. Returns its log lines. */
async function linesOfStart(value: number, workers: number): Promise<{ level: string; msg: string; advice?: string }[]> {
  const script = `echo ${value} > ${SETTING}; exec "$0" "$@"`;
  const serve = ["serve", ...LISTEN, "--set", `workers.count=${workers}`];
  const child = Bun.spawn(["unshare", "--net", "sh", "-c", script, process.execPath, MAIN, ...serve], {
    env: { ...process.env, ...SERVE_ENV, SALLYPORT_SHUTDOWN_DRAIN_MS: "0", SALLYPORT_SHUTDOWN_SPREAD_MS: "0" },
    stdout: "pipe",
    stderr: "inherit",
  });
  let text = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) text += decoder.decode(chunk, { stream: true });
  })();
  await until(() => text.includes("gateway started") || child.exitCode !== null, "the start", START_MS_MAX);
  child.kill("SIGTERM");
  await reading;
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

describe.skipIf(SKIPPED !== undefined)(SKIPPED ?? "the start", () => {
  test.each([1, 2])(
    "warns once if the kernel does not move new connections to another process; %i process(es)",
    async (workers) => {
      const warnings = (await linesOfStart(0, workers)).filter(({ msg }) => msg === WARNING);
      expect(warnings).toEqual([expect.objectContaining({ level: "warn", advice: "sysctl -w net.ipv4.tcp_migrate_req=1" })]);
    },
    START_MS_MAX * 2,
  );

  test(
    "does not warn if the kernel moves them",
    async () => {
      const messages = (await linesOfStart(1, 1)).map(({ msg }) => msg);
      expect(messages).toContain("gateway started");
      expect(messages).not.toContain(WARNING);
    },
    START_MS_MAX * 2,
  );
});
