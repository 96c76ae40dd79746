import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSharedFile } from "../../../../src/stores/shared/shared-file.ts";

/** Several processes may open the file at once after a boot, when it is still that of the boot before. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-shared-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (lockFile: (fd: number) => void) =>
  openSharedFile({
    path: join(folder, "tables"),
    tables: [4096],
    nowMs: 1,
    settingNames: { file: "a.file", sizes: "a.size" },
    lockFile,
  });

test("a process that waits for another one to replace an unusable file uses the other's file", () => {
  writeFileSync(join(folder, "tables"), "of another boot", { mode: 0o600 });
  let other: ReturnType<typeof open> | undefined;
  const own = open(() => {
    other = open(() => {});
  });
  expect(other?.isNew).toBe(true);
  expect([own.isNew, own.key]).toEqual([false, other?.key ?? expect.unreachable()]);
  expect(readdirSync(folder)).toEqual(["tables"]);
});

test("a file that is replaced again and again is given up", () => {
  const path = join(folder, "tables");
  const renew = () => {
    rmSync(path, { force: true });
    writeFileSync(path, "of another boot", { mode: 0o600 });
  };
  renew();
  expect(() => open(renew)).toThrow("other processes replace it");
});
