import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tryLockFile, tryShareFile } from "../../../../src/transport/linux/file-lock.ts";
import { until } from "../../../support/until.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const flock = (path: string, kind: "--shared" | "--exclusive", command: string) =>
  Bun.spawn(["flock", "--nonblock", kind, path, "sh", "-c", command]);

test("the exclusive lock is refused while another process has a lock, keeps others out, and ends when the file is closed", async () => {
  const path = join(folder, "file");
  const holder = flock(path, "--shared", `touch ${folder}/held; exec sleep 60`);
  await until(() => Bun.file(join(folder, "held")).exists(), "the other process to hold the lock");
  const fd = openSync(path, "r+");
  expect([tryLockFile(fd), tryShareFile(fd)]).toEqual([false, true]);
  expect(await flock(path, "--exclusive", "true").exited).toBe(1);
  Bun.spawnSync(["sh", "-c", `kill $(cat /proc/${holder.pid}/task/${holder.pid}/children)`]);
  await holder.exited;
  expect(tryLockFile(fd)).toBe(true);
  expect(await flock(path, "--shared", "true").exited).toBe(1);
  closeSync(fd);
  expect(await flock(path, "--exclusive", "true").exited).toBe(0);
});
