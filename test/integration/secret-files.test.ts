import { describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfSigned } from "../support/certificates.ts";
import { runCommand } from "../support/process.ts";
import { ANY_PORTS, SEED } from "../support/serve-settings.ts";
import { until } from "../support/until.ts";

/** Secret files that other users can access are logged as a warning at the start. */

const URLS = ["--set", "backend.url=http://127.0.0.1:9", "--set", "push.url=http://127.0.0.1:9"];

function file(name: string, content: string, mode: number): string {
  const path = join(mkdtempSync(join(tmpdir(), "sallyport-secret-")), name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

/** Starts a gateway and returns its warnings about secret files. */
async function warnings(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const gateway = runCommand(["serve", ...ANY_PORTS, ...URLS, ...args], env);
  await until(() => gateway.stdout().includes("gateway started"), `the gateway to start: ${gateway.stderr()}`);
  gateway.kill("SIGTERM");
  await gateway.exited;
  return gateway
    .stdout()
    .split("\n")
    .filter((line) => line.includes("secret file"));
}

describe("a key file", () => {
  test.each([
    [0o644, '"accessible_to":"everybody"', "0644"],
    [0o604, '"accessible_to":"everybody"', "0604"],
    [0o602, '"accessible_to":"everybody"', "0602"],
    [0o640, '"accessible_to":"its group"', "0640"],
    [0o660, '"accessible_to":"its group"', "0660"],
  ])("with mode %o causes a warning", async (mode, accessibleTo, shown) => {
    const path = file("current.key", SEED, mode);
    const [line = "", ...more] = await warnings(["--set", `keys.current_file=${path}`]);
    expect(more).toEqual([]);
    expect(JSON.parse(line)).toMatchObject({ level: "warn", setting: "keys.current_file", file: path, mode: shown });
    expect(line).toContain(accessibleTo);
    expect(line).not.toContain(SEED);
  });

  test("with mode 0600 causes no warning, also through a link", async () => {
    const path = file("current.key", SEED, 0o600);
    const link = `${path}.link`;
    symlinkSync(path, link);
    expect(await warnings(["--set", `keys.current_file=${link}`])).toEqual([]);
  });
});

test("the TLS key file is checked, and the configuration file if it contains secrets", async () => {
  const { certificateFile, key } = await selfSigned("open.test");
  const tls = ["--set", `tls.certificate_file=${certificateFile}`, "--set", `tls.key_file=${file("key.pem", key, 0o644)}`];
  const config = file("sallyport.toml", `[keys]\ncurrent = "${SEED}"\n`, 0o644);
  const lines = await warnings(["--config", config, ...tls]);
  expect(lines.map((line) => JSON.parse(line).setting).sort()).toEqual(["--config", "tls.key_file"]);
  const plain = file("sallyport.toml", "[log]\nlevel = 'info'\n", 0o644);
  expect(await warnings(["--config", plain], { SALLYPORT_KEYS_CURRENT: SEED })).toEqual([]);
});
