import { expect, test } from "bun:test";
import { systemClock } from "../../../src/core/clock.ts";
import { watchEventLoop } from "../../../src/observe/event-loop-delay.ts";
import { createMetrics } from "../../../src/observe/metrics.ts";

const BLOCKED_MS = 700;

test("a blocked event loop shows in the metric, also at later scrapes", async () => {
  const metrics = createMetrics({ version: "1" });
  const watch = watchEventLoop(systemClock, metrics);
  const delay = () => Number(/^sallyport_event_loop_delay_seconds (\S+)$/m.exec(metrics.render())?.[1]);
  await Bun.sleep(0);
  Bun.sleepSync(BLOCKED_MS);
  // At least the time for which the timer was due.
  for (let scrape = 0; scrape < 3; scrape++) {
    expect(delay()).toBeGreaterThan(0.4);
    expect(delay()).toBeLessThan(60);
    await Bun.sleep(20);
  }
  watch.stop();
});
