import { expect, test } from "bun:test";
import { systemClock } from "../../../src/core/clock.ts";
import { createLog } from "../../../src/observe/log.ts";
import { createMetrics } from "../../../src/observe/metrics.ts";
import { RemoteAnswers } from "../../../src/workers/remote-answers.ts";
import { WorkerPool } from "../../../src/workers/worker-pool.ts";
import { startWorkerProcess } from "../../../src/workers/worker-process.ts";
import { until } from "../../support/until.ts";
import { createHub, localStreams } from "../hub/support/hub-fixture.ts";

const run = (source: string) => [process.execPath, "-e", source];
/** The command lines of one worker, in order: killed, without a start, with a crash, without a process, and working. */
const COMMANDS = [
  run(
    `process.on("message", () => { process.send({ type: "started", addresses: {} }); setTimeout(() => process.kill(process.pid, "SIGKILL"), 50); });`,
  ),
  run(`process.on("message", () => { process.send({ type: "failed", problem: "a file is wrong\\n  in line 1" }); });`),
  run(`console.error("panic: the cause"); process.exit(3);`),
  ["/nonexistent/sallyport"],
  run(`process.on("message", ({ type }) => { if (type === "start") process.send({ type: "started", addresses: {} }); });`),
] as const;

test("an operator sees why a worker cannot be started again, and no kill by the supervisor is reported as a crash", async () => {
  const lines: string[] = [];
  const log = createLog({ level: "debug", format: "json", write: (batch) => void lines.push(batch) });
  const states = new Set<string>();
  let processes = 0;
  const pool = new WorkerPool({
    count: 1,
    streams: localStreams(createHub()),
    answers: new RemoteAnswers(() => {}),
    startMessage: (worker) => ({ type: "start", worker, config: {}, files: {}, mark: 0, isFeedUp: true }),
    startProcess: (onMessage) => startWorkerProcess(COMMANDS[processes++] ?? COMMANDS[4], process.stderr.fd, onMessage),
    onChange() {},
    ...{ clock: systemClock, random: () => 0.99, log, metrics: createMetrics({ version: "1" }) },
  });
  await pool.start();
  await until(
    () => {
      states.add(pool.notReady().join("\n"));
      return processes === COMMANDS.length && pool.notReady().length === 0;
    },
    "the last process",
    30_000,
  );
  await log.flush();
  await pool.close();

  const logged = lines.flatMap((batch) => batch.trim().split("\n")).map((line) => JSON.parse(line));
  const retry = { worker: 0, retry_in_ms: expect.any(Number) };
  const line = (msg: string, fields: object) => ({ time: expect.any(String), msg, ...fields });
  expect(logged).toEqual([
    line("worker ended unexpectedly", { level: "error", ...retry, signal: "SIGKILL" }),
    line("worker restart failed", { level: "error", ...retry, problem: "a file is wrong\n  in line 1" }),
    line("worker restart failed", {
      level: "error",
      ...retry,
      problem: "a worker ended before it was ready: panic: the cause",
      exit_code: 3,
    }),
    line("worker restart failed", {
      level: "error",
      ...retry,
      problem: expect.stringContaining("a worker ended before it was ready: its process could not be created: ENOENT"),
    }),
    line("worker restarted", { level: "info", worker: 0 }),
  ]);
  const shown = [...states].join("\n");
  expect(shown).toContain("worker 0: not running\nworker 0: last start failed: a file is wrong; in line 1");
  expect(shown).toContain("worker 0: starting\nworker 0: last start failed: ");
  expect(shown).toContain("last start failed: a worker ended before it was ready: panic: the cause");
}, 60_000);
