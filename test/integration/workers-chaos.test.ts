import { expect, test } from "bun:test";
import { holds } from "../bench/benchmark.ts";
import { chaos } from "../soak/chaos/chaos.ts";

/** `bun run soak --chaos` at a small scale. `SALLYPORT_WORKER_KILLS` sets the number of kills. */

const IS_LINUX = process.platform === "linux";
const KILLS = Number(process.env["SALLYPORT_WORKER_KILLS"] ?? 8);

test.skipIf(!IS_LINUX)(
  `after ${KILLS} kills of workers, no command was admitted twice or over its budget, and no event is missing${IS_LINUX ? "" : " (skipped: workers need Linux)"}`,
  async () => {
    const figures = await chaos({ kills: KILLS, overMs: KILLS * 400, workers: 3, streams: 4 });
    const figureOf = (name: string) => figures.find(({ figure }) => figure === name)?.value ?? 0;
    expect(figureOf("commands that reached the backend")).toBeGreaterThan(0);
    expect(figureOf("commands with a budget")).toBeGreaterThan(0);
    expect(figureOf("events to each stream")).toBeGreaterThan(0);
    expect(figures.filter((figure) => !holds(figure))).toEqual([]);
  },
  60_000 + KILLS * 3000,
);
