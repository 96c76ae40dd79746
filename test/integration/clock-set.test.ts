import { expect, test } from "bun:test";
import { RunningClock } from "../support/running-clock.ts";
import { until } from "../support/until.ts";
import { metric, openWorld } from "../support/world.ts";

const HOUR_MS = 3_600_000;
const MESSAGE = "wall clock step";

test("clock steps in both directions are logged and counted", async () => {
  const clock = new RunningClock();
  const world = await openWorld({}, { clock });
  const lines = (): { level: string; direction: string; by_ms: number }[] =>
    world
      .logged()
      .split("\n")
      .filter((line) => line.includes(MESSAGE))
      .map((line) => JSON.parse(line));
  const jumps = (direction: string) => metric(world.gateway, "sallyport_clock_jumps_total", `{direction="${direction}"}`);

  clock.step(HOUR_MS);
  await until(() => lines().length > 0, "the forward step to be logged");
  expect([await jumps("forward"), await jumps("back")]).toEqual([1, 0]);
  clock.step(-2 * HOUR_MS);
  await until(() => lines().length > 1, "the backward step to be logged");
  expect([await jumps("forward"), await jumps("back")]).toEqual([1, 1]);

  expect(lines()).toMatchObject([
    { level: "warn", direction: "forward" },
    { level: "warn", direction: "back" },
  ]);
  // Rounded, because the host's clock is slewed meanwhile and has a resolution of 1 ms.
  const hours = lines().map((line) => Math.round((10 * line.by_ms) / HOUR_MS) / 10);
  expect(hours).toEqual([1, 2]);
  await world.close();
});
