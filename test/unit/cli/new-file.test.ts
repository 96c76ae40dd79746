import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeNew } from "../../../src/cli/new-file.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-"));

afterAll(() => rmSync(folder, { recursive: true }));

test("a file or a symbolic link that leads nowhere is not overwritten", () => {
  const file = join(folder, "file.toml");
  const link = join(folder, "link.toml");
  writeFileSync(file, "old");
  symlinkSync(join(folder, "target.toml"), link);
  for (const path of [file, link])
    expect(() => writeNew(path, "new")).toThrow(new Error(`${path}: already exists, and is not overwritten`));
  expect(readFileSync(file, "utf8")).toBe("old");
  expect(readdirSync(folder).toSorted()).toEqual(["file.toml", "link.toml"]);
});

test("a file that cannot be written is named with the reason", () => {
  const path = join(folder, "missing/file.toml");
  expect(() => writeNew(path, "new")).toThrow(new Error(`${path}: cannot be written: ENOENT: no such file or directory`));
});
