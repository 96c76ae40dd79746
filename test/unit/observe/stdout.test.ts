import { expect, test } from "bun:test";
import { join } from "node:path";

/** Logs 40 lines of 4 KB to standard output and prints the number of dropped lines to standard error. */
const CHILD = `
import { createLog } from "${join(import.meta.dir, "../../../src/observe/log.ts")}";
import { stdoutSink } from "${join(import.meta.dir, "../../../src/observe/stdout.ts")}";
let dropped = 0;
const log = createLog({ level: "info", format: "json", write: stdoutSink, onDropped: (lines) => { dropped += lines; } });
for (let at = 0; at < 40; at++) log.info(at + " " + "x".repeat(4000));
await log.flush();
console.error(JSON.stringify({ dropped }));
`;

test("all lines reach standard output complete and in order", async () => {
  const child = Bun.spawn([process.execPath, "-e", CHILD], { stdout: "pipe", stderr: "pipe" });
  const lines = (await new Response(child.stdout).text()).trimEnd().split("\n");
  expect(lines.map((line) => Number.parseInt(JSON.parse(line).msg, 10))).toEqual(Array.from({ length: 40 }, (_, at) => at));
  expect(JSON.parse(await new Response(child.stderr).text())).toEqual({ dropped: 0 });
});

test("a closed pipe does not end the process", async () => {
  const closed = Bun.spawn(["sh", "-c", '{ "$0" -e "$1"; echo "exit $?" >&2; } | true', process.execPath, CHILD], {
    stdout: "ignore",
    stderr: "pipe",
  });
  expect(await new Response(closed.stderr).text()).toMatch(/^\{"dropped":[1-9]\d*\}\nexit 0\n$/);
});

/** Logs more than a pipe holds, and prints the longest stall of its event loop and the number of dropped lines. */
const BUSY_CHILD = `
import { createLog } from "${join(import.meta.dir, "../../../src/observe/log.ts")}";
import { stdoutSink } from "${join(import.meta.dir, "../../../src/observe/stdout.ts")}";
let [dropped, stallMs, lastMs] = [0, 0, performance.now()];
setInterval(() => {
  stallMs = Math.max(stallMs, performance.now() - lastMs);
  lastMs = performance.now();
}, 10).unref();
const log = createLog({ level: "info", format: "json", write: stdoutSink, onDropped: (lines) => { dropped += lines; } });
for (let at = 0; at < 2000; at++) {
  log.info(at + " " + "x".repeat(200));
  if (at % 50 === 0) await Bun.sleep(1);
}
await log.flush(20_000);
console.error(JSON.stringify({ dropped, stallMs }));
`;

test("a paused reader does not block the event loop, and no line is lost", async () => {
  const paused = Bun.spawn(["sh", "-c", '"$0" -e "$1" | { sleep 2; cat; }', process.execPath, BUSY_CHILD], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const lines = (await new Response(paused.stdout).text()).trimEnd().split("\n");
  expect(lines.map((line) => Number.parseInt(JSON.parse(line).msg, 10))).toEqual(Array.from({ length: 2000 }, (_, at) => at));
  const { dropped, stallMs } = JSON.parse(await new Response(paused.stderr).text());
  expect(dropped).toBe(0);
  expect(stallMs).toBeLessThan(1000);
}, 60_000);
