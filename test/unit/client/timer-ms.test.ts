import { expect, test } from "bun:test";
import { sleep } from "../../../src/client/retry.ts";
import { systemTiming } from "../../../src/client/stream-timing.ts";

/** A delay that is too long for a timer, such as `Infinity`, must not expire at once. */

test.each([Number.POSITIVE_INFINITY, 2 ** 31, 1e15])("a wait of %d ms lasts until it is ended", async (ms) => {
  const ended: string[] = [];
  const cancel = systemTiming.after(ms, () => ended.push("timing"));
  const controller = new AbortController();
  const slept = sleep(ms, controller.signal).then(() => ended.push("sleep"));
  // An overflowing timer expires after 1 ms, so before this one.
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(ended).toEqual([]);
  cancel();
  controller.abort();
  await slept;
  expect(ended).toEqual(["sleep"]);
});
