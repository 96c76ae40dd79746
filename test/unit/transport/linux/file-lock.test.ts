import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockFile } from "../../../../src/transport/linux/file-lock.ts";
import { until } from "../../../support/until.ts";

test("the lock waits for the process that holds it, keeps others out, and ends when the file is closed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-lock-"));
  const path = join(folder, "file");
  const held = join(folder, "held");
  const holder = Bun.spawn(["flock", path, "sh", "-c", `touch ${held}; sleep 1`]);
  await until(() => Bun.file(held).exists(), "the other process to hold the lock");
  const fd = openSync(path, "r+");
  const startedAt = performance.now();
  lockFile(fd);
  expect(performance.now() - startedAt).toBeGreaterThan(200);
  await holder.exited;
  const waiting = Bun.spawn(["flock", "--nonblock", path, "true"]);
  expect(await waiting.exited).toBe(1);
  closeSync(fd);
  expect(await Bun.spawn(["flock", "--nonblock", path, "true"]).exited).toBe(0);
  rmSync(folder, { recursive: true });
});
