import { expect, test } from "bun:test";
import { filesForConnections } from "../../../src/app/open-files.ts";
import type { Log } from "../../../src/core/telemetry.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";

test.each([
  [524_288, 523_776],
  [20_000, 19_488],
  [1024, 512],
  [256, 128],
])("of %d file descriptors, connections may use %d", (limit, files) => {
  expect(filesForConnections(SILENT_LOG, limit)).toBe(files);
});

test("the limit of the process is known, and a low limit is logged as a warning", () => {
  const lines: string[] = [];
  const log: Log = {
    ...SILENT_LOG,
    debug: (text) => void lines.push(`debug ${text}`),
    warn: (text) => void lines.push(`warn ${text}`),
  };
  expect(Number.isFinite(filesForConnections(log))).toBe(true);
  filesForConnections(log, 1_000_000);
  filesForConnections(log, 1024);
  expect(lines.slice(1)).toEqual([
    "debug file descriptors left for connections",
    "warn few file descriptors left for connections",
  ]);
});
