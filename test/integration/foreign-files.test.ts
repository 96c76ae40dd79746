import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../support/process.ts";
import { ANY_PORTS, SEED, SERVE_ENV } from "../support/serve-settings.ts";

/** A setting of a file that the gateway writes names a file of another program by mistake. */

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

test.each([
  ["SALLYPORT_STORES_SHARED_FILE", "", {}, "is not a shared file of sallyport"],
  ["SALLYPORT_HISTORY_CHECKPOINT_FILE", "", {}, "is not a checkpoint of sallyport"],
  ["SALLYPORT_HISTORY_CHECKPOINT_FILE", ".next", {}, "is not a checkpoint of sallyport"],
  ["SALLYPORT_PUSH_LOG_FILE", "", HTTP, "is not a file of this log"],
  ["SALLYPORT_PUSH_LOG_FILE", ".1", HTTP, "is not a file of this log"],
  ["SALLYPORT_PUSH_LOG_FILE", ".next", HTTP, "is not a file of this log"],
  ["SALLYPORT_PUSH_LOG_FILE", ".lock", HTTP, "is not a file of this log"],
])(
  "the start is refused, and the file is kept: %s, the file with the suffix '%s'",
  async (variable, suffix, settings, problem) => {
    const path = join(folder, "file");
    writeFileSync(path + suffix, SEED, { mode: 0o600 });
    const env = { ...SERVE_ENV, SALLYPORT_WORKERS_COUNT: "1", ...settings, [variable]: path };
    const command = runCommand(["serve", ...ANY_PORTS, "--set", "push.listen=127.0.0.1:0"], env);
    expect(await command.exited).toBeGreaterThan(0);
    expect(command.stderr()).toContain(path + suffix);
    expect(command.stderr()).toContain(`${problem}; choose another path or delete it`);
    expect(readFileSync(path + suffix, "utf8")).toBe(SEED);
  },
  30_000,
);

test("config check reports it", async () => {
  const path = join(folder, "file");
  writeFileSync(path, SEED, { mode: 0o600 });
  const env = { ...SERVE_ENV, SALLYPORT_HISTORY_CHECKPOINT_FILE: path };
  const command = runCommand(["config", "check"], env);
  expect(await command.exited).toBe(2);
  expect(command.stdout() + command.stderr()).toContain(`${path} is not a checkpoint of sallyport`);
}, 30_000);
