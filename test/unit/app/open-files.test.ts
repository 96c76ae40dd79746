import { expect, test } from "bun:test";
import { filesForConnections } from "../../../src/app/open-files.ts";
import type { Log } from "../../../src/core/ports.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";

test.each([
  [524_288, 523_776],
  [20_000, 19_488],
  [1024, 512],
  [256, 128],
])("of %d files connections may hold %d", (limit, files) => {
  expect(filesForConnections(SILENT_LOG, limit)).toBe(files);
});

test("the process's own limit is known; few files are worth a warning", () => {
  const said: string[] = [];
  const log: Log = {
    ...SILENT_LOG,
    debug: (text) => void said.push(`debug ${text}`),
    warn: (text) => void said.push(`warn ${text}`),
  };
  expect(Number.isFinite(filesForConnections(log))).toBe(true);
  filesForConnections(log, 1_000_000);
  filesForConnections(log, 1024);
  expect(said.slice(1)).toEqual([
    "debug connections: bounded by the limit of open files",
    "warn connections: few fit, by the limit of open files",
  ]);
});
