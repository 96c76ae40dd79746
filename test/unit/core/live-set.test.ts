import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { LiveSet } from "../../../src/core/live-set.ts";

describe("LiveSet", () => {
  test("iterates in insertion order, until items are removed", () => {
    const set = new LiveSet<{ name: string }>();
    const [, b] = ["a", "b", "c"].map((name) => set.add({ name }));
    expect(b !== undefined && set.remove(b)).toBe(true);
    expect(b !== undefined && set.remove(b)).toBe(false);
    expect([...set].map(({ name }) => name)).toEqual(["a", "c"]);
    expect(set.size).toBe(2);
  });

  test("items may be removed and added during iteration", () => {
    const set = new LiveSet<{ n: number }>();
    const handles = [0, 1, 2, 3].map((n) => set.add({ n }));
    const seen: number[] = [];
    for (const { n } of set) {
      if (n === 0) {
        for (const held of handles) set.remove(held);
        set.add({ n: 9 });
      }
      seen.push(n);
    }
    expect(seen).toEqual([0, 9]);
    expect(set.size).toBe(1);
  });
});

/** Of 40,000 objects, 32 live at a time: how many remain after eden collections only. */
async function leftAfterChurn(kind: "live-set" | "map"): Promise<number> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "children/churn.ts"), kind], {
    stdout: "pipe",
    stderr: "inherit",
  });
  return Number(await new Response(child.stdout).text());
}

describe("removed items", () => {
  test("are collected without a full collection", async () => {
    expect(await leftAfterChurn("live-set")).toBeLessThan(4000);
  });

  test("in a Map would mostly remain (if this fails, LiveSet is no longer needed)", async () => {
    expect(await leftAfterChurn("map")).toBeGreaterThan(20_000);
  });
});
