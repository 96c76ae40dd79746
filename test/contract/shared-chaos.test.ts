import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { openStoresAt } from "../support/shared-stores.ts";
import { HAMMER_BURST, HAMMER_IDS, hammerDemands, SHARED_SETTINGS } from "./support/shared-settings.ts";

/** Processes that use a shared file are killed in the middle of their operations. */

const HAMMER = join(import.meta.dir, "children/shared-hammer.ts");
const PROCESSES = 4;
const KILLS = Number(process.env["SALLYPORT_SHARED_KILLS"] ?? 60);

/** A process that hammers the file. Its output is complete when it has ended. */
class Hammer {
  readonly output: Promise<string>;
  readonly #process: Bun.Subprocess<"ignore", "pipe", "inherit">;

  constructor(path: string) {
    this.#process = Bun.spawn([process.execPath, HAMMER, path], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    this.output = new Response(this.#process.stdout).text();
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}

test(`after ${KILLS} kills nothing was admitted twice, no budget was exceeded, and no lock is held`, async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-chaos-"));
  const path = join(folder, "tables");
  const hammers = Array.from({ length: PROCESSES }, () => new Hammer(path));
  const ended: Hammer[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    // The kills come at random moments, and every other one soon after a start.
    await Bun.sleep(Math.random() * (kill % 2 === 0 ? 300 : 60));
    const at = kill % PROCESSES;
    const victim = hammers[at];
    await victim?.kill();
    if (victim !== undefined) ended.push(victim);
    hammers[at] = new Hammer(path);
  }
  await Bun.sleep(500);
  for (const hammer of hammers) await hammer.kill();
  const lines = (await Promise.all([...ended, ...hammers].map(({ output }) => output))).join("").split("\n");

  const reserved = lines.filter((line) => line.startsWith("r "));
  expect(new Set(reserved).size).toBe(reserved.length);
  expect(reserved.length).toBeGreaterThan(HAMMER_IDS / 2);
  const tokens = (kind: number) => lines.filter((line) => line === `t ${kind}`).length;
  for (let kind = 0; kind < 7; kind++) expect(tokens(kind)).toBeLessThanOrEqual(HAMMER_BURST);
  expect(lines.filter((line) => line.startsWith("t ")).length).toBeLessThanOrEqual(3 * HAMMER_BURST);
  expect(lines.filter((line) => line.startsWith("slow "))).toEqual([]);

  // A new process takes over every lock that a killed one left, and finds every reservation.
  const stores = openStoresAt(path, SHARED_SETTINGS, systemClock);
  const startedMs = performance.now();
  const expiresAtMs = Date.now() + 7_200_000;
  for (const line of reserved)
    expect(await stores.replay.reserve("session", `request-${line.slice(2)}`, expiresAtMs)).toBe(false);
  for (let kind = 0; kind < 7; kind++) await stores.buckets.take(hammerDemands(kind), Date.now());
  // Alone, this takes about 200 ms, or a second if a killed process holds a lock.
  expect(performance.now() - startedMs).toBeLessThan(4000);
  stores.close();
  rmSync(folder, { recursive: true });
}, 120_000);
