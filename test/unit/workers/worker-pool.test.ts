import { expect, test } from "bun:test";
import { systemClock } from "../../../src/core/clock.ts";
import { createMetrics } from "../../../src/observe/metrics.ts";
import { RemoteAnswers } from "../../../src/workers/remote-answers.ts";
import { WorkerPool } from "../../../src/workers/worker-pool.ts";
import { startWorkerProcess } from "../../../src/workers/worker-process.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";
import { until } from "../../support/until.ts";
import { createHub, localStreams } from "../hub/support/hub-fixture.ts";

/** The source text of a worker that reports this number of refusals. `isLast`: whether it then ends. */
const workerThatCounts = (value: number, isLast: boolean) => `
  const series = [{ labels: ["RATE_LIMITED"], value: ${value}, counts: [] }];
  process.on("message", ({ type, id }) => {
    if (type === "start") process.send({ type: "started", addresses: {} });
    if (type !== "measure") return;
    process.send({ type: "measured", id, metrics: [{ name: "sallyport_refusals_total", series }] });
    if (${isLast}) process.disconnect();
  });`;

test("the sums include the counts of a worker that ended before any scrape", async () => {
  let processes = 0;
  const metrics = createMetrics({ version: "1" });
  const pool = new WorkerPool({
    count: 1,
    streams: localStreams(createHub()),
    answers: new RemoteAnswers(() => {}),
    startMessage: (worker) => ({ type: "start", worker, config: {}, files: {}, mark: 0, isFeedUp: true }),
    startProcess(onMessage) {
      const source = ++processes === 1 ? workerThatCounts(7, true) : workerThatCounts(100, false);
      return startWorkerProcess([process.execPath, "-e", source], process.stderr.fd, onMessage);
    },
    onChange() {},
    ...{ clock: systemClock, random: () => 0, log: SILENT_LOG, metrics },
  });
  await pool.start();
  await until(() => processes === 2 && pool.notReady().length === 0, "the second worker", 30_000);
  const text = metrics.render(await pool.measure());
  expect(text).toContain('sallyport_refusals_total{reason="RATE_LIMITED"} 107\n');
  expect(text).toContain('sallyport_worker_up{worker="0"} 1\n');
  await pool.close();
  expect(pool.states()).toEqual([{ worker: 0, status: "not ready", reasons: ["not running"] }]);
}, 60_000);
