import { afterAll, beforeEach, expect, spyOn, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../../src/cli/keygen.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { loadSeeds } from "../../../src/config/seeds.ts";
import { KeyRing } from "../../../src/crypto/key-ring.ts";

const directory = mkdtempSync(join(tmpdir(), "sallyport-"));
const out = spyOn(console, "log").mockImplementation(() => {});
const err = spyOn(console, "error").mockImplementation(() => {});

beforeEach(() => {
  out.mockClear();
  err.mockClear();
});

afterAll(() => {
  out.mockRestore();
  err.mockRestore();
  rmSync(directory, { recursive: true });
});

const printed = () => out.mock.calls.flat().join("\n");

function keyIdOf(setting: string): string {
  const { current } = loadSeeds(loadConfig({ env: {}, argv: ["--set", setting] }));
  if (current === undefined) throw new Error("no current seed");
  return new KeyRing({ current }).keyId;
}

test("the printed seed is a valid setting, and the printed kid is its key id", async () => {
  expect(await run([])).toBe(0);
  const [, seed] = /^seed +(\S+)$/m.exec(printed()) ?? [];
  const [, kid] = /^kid +(\S+)$/m.exec(printed()) ?? [];
  expect(keyIdOf(`keys.current=${seed}`)).toBe(String(kid));
  expect(printed()).toContain(`SALLYPORT_KEYS_CURRENT=${seed}`);
});

test("every key is new", async () => {
  await run([]);
  const first = printed();
  out.mockClear();
  await run([]);
  expect(printed()).not.toBe(first);
});

test("--out writes a valid seed file with mode 0600 and prints no seed", async () => {
  const path = join(directory, "key");
  expect(await run(["--out", path])).toBe(0);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const [, kid] = /^kid +(\S+)$/m.exec(printed()) ?? [];
  expect(keyIdOf(`keys.current_file=${path}`)).toBe(String(kid));
  expect(printed()).not.toContain(readFileSync(path, "utf8").trim());
});

test("an existing key file is not overwritten", async () => {
  const path = join(directory, "kept");
  await run([`--out=${path}`]);
  const before = readFileSync(path, "utf8");
  expect(await run(["--out", path])).toBe(1);
  expect(readFileSync(path, "utf8")).toBe(before);
  expect(err.mock.calls.flat().join()).toContain("already exists");
});

test("an unknown flag or a missing file name exits with code 2 and one line", async () => {
  for (const args of [["--output", "x"], ["x"], ["--out"], ["--out="], ["--out", "--force"]]) {
    err.mockClear();
    expect(await run(args)).toBe(2);
    expect(err.mock.calls.flat().join()).toMatch(/^sallyport keygen: .*usage: .*$/);
  }
  expect(await run(["--out", join(directory, "none", "key")])).toBe(1);
});
