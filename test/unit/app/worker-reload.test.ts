import { expect, test } from "bun:test";
import type { ReloadPart } from "../../../src/app/reload.ts";
import { WorkerReload } from "../../../src/app/worker-reload.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { until } from "../../support/until.ts";

const withRate = (rate: number) => loadConfig({ env: {}, overrides: { "budgets.ip.rate": rate } });

/** A worker with one part, which cannot use the rate 13. */
function open() {
  const events: string[] = [];
  const reload = new WorkerReload({
    answer: (id, problem) => void events.push(`prepared ${id} ${problem}`),
    failed: (problem) => void events.push(`failed ${problem}`),
  });
  const part: ReloadPart = {
    async prepare(next) {
      const rate = next["budgets.ip.rate"];
      if (rate === 13) throw new Error("no file");
      return { commit: () => void events.push(`commit ${rate}`) };
    },
  };
  return { events, reload, start: () => reload.start([part]) };
}

test("a worker commits what it prepared, in the order of the messages", async () => {
  const { events, reload, start } = open();
  start();
  reload.prepare(1, withRate(7));
  reload.commit(1, withRate(7));
  reload.prepare(2, withRate(13));
  reload.prepare(3, withRate(8));
  reload.commit(3, withRate(8));
  await until(() => events.length === 5, "the last commit");
  expect(events).toEqual(["prepared 1 undefined", "commit 7", "prepared 2 no file", "prepared 3 undefined", "commit 8"]);
});

test("a worker that was starting applies the configuration that was committed meanwhile", async () => {
  const { events, reload, start } = open();
  reload.commit(4, withRate(7));
  reload.commit(5, withRate(8));
  await Promise.resolve();
  expect(events).toEqual([]);
  start();
  await until(() => events.length === 2, "the commits");
  expect(events).toEqual(["commit 7", "commit 8"]);
});

test("a worker that cannot use a committed configuration fails", async () => {
  const { events, reload, start } = open();
  start();
  reload.commit(1, withRate(13));
  await until(() => events.length === 1, "the failure");
  expect(events).toEqual(["failed no file"]);
});
