import { expect, test } from "bun:test";
import { workerCount } from "../../../src/app/worker-count.ts";
import { createLog } from "../../../src/observe/log.ts";

async function countOf(count: number | "auto", platform: NodeJS.Platform, processors: number) {
  const lines: string[] = [];
  const log = createLog({ level: "debug", format: "json", write: (batch) => void lines.push(batch) });
  const workers = workerCount({ "workers.count": count }, { log, platform, processors: () => processors });
  await log.flush();
  return { workers, logged: lines.join("") };
}

test("auto is the number of available processors on Linux, at most 64", async () => {
  expect((await countOf("auto", "linux", 6)).workers).toBe(6);
  expect((await countOf("auto", "linux", 1)).workers).toBe(1);
  expect((await countOf("auto", "linux", 200)).workers).toBe(64);
});

test("a number is used as it is on Linux", async () => {
  expect(await countOf(3, "linux", 1)).toEqual({ workers: 3, logged: "" });
});

test("elsewhere there is one process, with a warning if there would be more on Linux", async () => {
  expect(await countOf("auto", "darwin", 1)).toEqual({ workers: 1, logged: "" });
  expect(await countOf(1, "darwin", 8)).toEqual({ workers: 1, logged: "" });
  for (const [given, platform] of [["auto", "darwin"] as const, [4, "win32"] as const]) {
    const { workers, logged } = await countOf(given, platform, 8);
    expect(workers).toBe(1);
    expect(JSON.parse(logged)).toMatchObject({ level: "warn", msg: "workers.count ignored outside Linux", given, workers: 1 });
  }
});
