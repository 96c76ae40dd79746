import { describe, expect, test } from "bun:test";
import { holds, lowest } from "./benchmark.ts";
import { BENCHMARKS } from "./run.ts";

const IN_CI = process.env["CI"] === undefined ? undefined : "benchmarks (skipped: CI runs them at full scale)";

test("of two runs, the lower value of each figure with a bound counts, and a value without a number does not hold", () => {
  const figures = (a: number, b: number, c: number) => [
    { figure: "a", value: a, unit: "ms", bound: 2 },
    { figure: "b", value: b, unit: "ms", bound: 2 },
    { figure: "c", value: c, unit: "ms" },
  ];
  expect(lowest(figures(3, 1, 1), figures(1, 3, 2))).toEqual(figures(1, 1, 2));
  expect(lowest(figures(1, 1, 1), figures(Number.NaN, 1, 1)).every(holds)).toBe(false);
});

/** Runs every benchmark at a small scale, so that none breaks unnoticed. The bounds are not checked. */
describe.skipIf(IN_CI !== undefined)(IN_CI ?? "benchmarks", () => {
  test.each(BENCHMARKS.map((benchmark) => [benchmark.name, benchmark] as const))(
    "%s returns positive figures",
    async (_, benchmark) => {
      const figures = await benchmark.run("small");
      expect(figures.length).toBeGreaterThan(0);
      for (const { value } of figures) expect(value).toBeGreaterThan(0);
    },
    180_000,
  );

  test("a figure over its bound, or without a number, does not hold", () => {
    expect(holds({ figure: "x", value: 1.61, unit: "ratio", bound: 1.6 })).toBe(false);
    expect(holds({ figure: "x", value: Number.NaN, unit: "ratio" })).toBe(false);
    expect(holds({ figure: "x", value: 1.6, unit: "ratio", bound: 1.6 })).toBe(true);
  });
});
