import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigFiles, watchFiles } from "../../../src/app/config-watch.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-watch-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Reads the files, and counts the reloads. A reload reads the files again. */
function watched(paths: readonly string[]) {
  const files = new ConfigFiles();
  const load = () => {
    files.clear();
    for (const path of paths) files.read(path);
  };
  load();
  const reloads = { count: 0 };
  const check = watchFiles(files, () => {
    reloads.count++;
    load();
  });
  return { check, reloads, files };
}

test("a changed file is reloaded once, after it stayed the same for one interval", () => {
  const path = join(folder, "gateway.toml");
  writeFileSync(path, "a = 1");
  const { check, reloads } = watched([path]);
  for (let n = 0; n < 3; n++) check();
  expect(reloads.count).toBe(0);
  writeFileSync(path, "a = 22");
  check();
  // The program writes again before the interval is over.
  writeFileSync(path, "a = 333");
  check();
  expect(reloads.count).toBe(0);
  check();
  expect(reloads.count).toBe(1);
  for (let n = 0; n < 3; n++) check();
  expect(reloads.count).toBe(1);
});

test("a file that is replaced by another one of the same size and time is a change", () => {
  const [path, other] = [join(folder, "gateway.toml"), join(folder, "other")];
  for (const each of [path, other]) writeFileSync(each, "a = 1");
  const { check, reloads } = watched([path]);
  renameSync(other, path);
  for (let n = 0; n < 2; n++) check();
  expect(reloads.count).toBe(1);
});

test("a folder behind a symbolic link may be swapped, as in a volume of Kubernetes", () => {
  for (const version of ["v1", "v2"]) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, "gateway.toml"), "a = 1");
  }
  symlinkSync("v1", join(folder, "data"));
  const { check, reloads } = watched([join(folder, "data/gateway.toml")]);
  symlinkSync("v2", join(folder, "data.next"));
  renameSync(join(folder, "data.next"), join(folder, "data"));
  for (let n = 0; n < 2; n++) check();
  expect(reloads.count).toBe(1);
});

test("a file that is missing when it is read is a change when it appears", () => {
  const path = join(folder, "next.key");
  const files = new ConfigFiles();
  expect(() => files.read(path)).toThrow("ENOENT");
  expect(files.changes()).toBe("");
  writeFileSync(path, "seed");
  expect(files.changes()).toContain(path);
  files.clear();
  expect(files.changes()).toBe("");
});
