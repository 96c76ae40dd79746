import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Figure, Scale } from "../benchmark.ts";
import { type Child, startChild } from "../child.ts";

/** Two processes do at least 1.8 times the work of one. So each takes at most 2 / 1.8 times as long. */
const RATIO_BOUND = 1.11;

/**
 * Two processes on one shared file, against one process. Two busy CPUs slow each other down. So the floor is the slower of one
 * process and of two processes with a file each.
 */
export async function sharedTable(scale: Scale): Promise<Figure[]> {
  const { operations, rounds } = scale === "full" ? { operations: 10_000, rounds: 100 } : { operations: 2000, rounds: 1 };
  const folder = mkdtempSync("/dev/shm/sallyport-bench-");
  const open = (name: string) => startChild("shared-table", { path: join(folder, name), operations });
  const [first, second, other] = [await open("shared"), await open("shared"), await open("other")];
  try {
    const measured: { alone: number; separate: number; shared: number }[] = [];
    for (let round = -1; round < rounds; round++) {
      const [alone, separate, shared] = [await slowest(first), await slowest(first, other), await slowest(first, second)];
      if (round >= 0) measured.push({ alone, separate, shared });
    }
    // Other load on the machine makes a round slower, never faster.
    const least = (of: keyof (typeof measured)[number]) => Math.min(...measured.map((round) => round[of]));
    const [alone, separate, shared] = [least("alone"), least("separate"), least("shared")];
    return [
      { figure: "reserve and take, one process", value: alone, unit: "ns" },
      { figure: "reserve and take, each of two processes", value: shared, unit: "ns" },
      { figure: "work of two processes / work of one", value: (2 * alone) / shared, unit: "ratio" },
      { figure: "work of two processes with separate files / work of one", value: (2 * alone) / separate, unit: "ratio" },
      { figure: "each of two processes / floor", value: shared / Math.max(alone, separate), unit: "ratio", bound: RATIO_BOUND },
    ];
  } finally {
    await Promise.all([first.stop(), second.stop(), other.stop()]);
    rmSync(folder, { recursive: true });
  }
}

/** Lets the processes work at the same time. Resolves to the time per operation of the slowest one, in ns. */
async function slowest(...children: readonly Child[]): Promise<number> {
  return Math.max(...(await Promise.all(children.map((child) => child.ask<number>("work")))));
}
