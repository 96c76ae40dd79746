import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../support/process.ts";
import { ANY_PORTS, SEED, SERVE_ENV } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";

/** A setting of a file that the gateway writes names a file of another program by mistake, or the file was overwritten. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-foreign-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const HTTP = {
  SALLYPORT_PUSH_URL: "",
  SALLYPORT_PUSH_SOURCE: "http",
  SALLYPORT_PUSH_TOKEN: "0123456789abcdef0123456789abcdef",
};

const CASES: readonly [variable: string, suffix: string, settings: Readonly<Record<string, string>>][] = [
  ["SALLYPORT_STORES_SHARED_FILE", "", {}],
  ["SALLYPORT_HISTORY_CHECKPOINT_FILE", "", {}],
  ["SALLYPORT_HISTORY_CHECKPOINT_FILE", ".next", {}],
  ["SALLYPORT_PUSH_LOG_FILE", "", HTTP],
  ["SALLYPORT_PUSH_LOG_FILE", ".1", HTTP],
  ["SALLYPORT_PUSH_LOG_FILE", ".next", HTTP],
  ["SALLYPORT_PUSH_LOG_FILE", ".lock", HTTP],
];

test.each(CASES)(
  "the start sets it aside with a warning, and config check announces this: %s, the file with the suffix '%s'",
  async (variable, suffix, settings) => {
    const path = join(folder, "file");
    writeFileSync(path + suffix, SEED, { mode: 0o600 });
    const env = { ...SERVE_ENV, SALLYPORT_WORKERS_COUNT: "1", ...settings, [variable]: path };
    const flags = [...ANY_PORTS, "--set", "push.listen=127.0.0.1:0"];
    const check = runCommand(["config", "check", ...flags], env);
    expect(await check.exited).toBe(0);
    expect(check.stdout()).toContain(
      `${path}${suffix} is a file of another program; the start renames it to ${path}${suffix}.foreign`,
    );
    const gateway = runCommand(["serve", ...flags], env);
    try {
      await until(() => gateway.stdout().includes("gateway started"), "the start", 60_000);
    } finally {
      gateway.kill("SIGKILL");
      await gateway.exited;
    }
    const warning = gateway
      .stdout()
      .split("\n")
      .find((line) => line.includes("file of another program set aside"));
    expect(JSON.parse(warning ?? "{}")).toMatchObject({
      level: "warn",
      file: path + suffix,
      kept_as: `${path}${suffix}.foreign`,
    });
    expect(readFileSync(`${path}${suffix}.foreign`, "utf8")).toBe(SEED);
    expect(existsSync(path + suffix) && readFileSync(path + suffix, "utf8") === SEED).toBe(false);
  },
);

test("config check announces nothing for a folder, and for a checkpoint that is not used", async () => {
  const path = join(folder, "file");
  writeFileSync(path, SEED, { mode: 0o600 });
  const files = { SALLYPORT_PUSH_LOG_FILE: folder, SALLYPORT_HISTORY_CHECKPOINT_FILE: path };
  const check = runCommand(["config", "check", ...ANY_PORTS], { ...SERVE_ENV, ...HTTP, ...files });
  expect(await check.exited).toBe(0);
  expect(check.stdout()).not.toContain("renames");
  expect(check.stderr()).toBe("");
});
