/**
 * The interface of a benchmark. Bounds are on ratios measured in one run, never on elapsed time. `amplification` and `answers` also
 * bound CPU time, because their requirements do.
 */

export interface Figure {
  readonly figure: string;
  readonly value: number;
  /** `ratio`, `us`, `bytes`, … */
  readonly unit: string;
  /** The maximum of the value; `undefined` without a bound. */
  readonly bound?: number;
}

/** `full`: long enough for reliable figures. `small`: for the tests, which do not check bounds. */
export type Scale = "full" | "small";

export interface Benchmark {
  readonly name: string;
  /** One sentence: what is compared with what. */
  readonly about: string;
  run(scale: Scale): Promise<readonly Figure[]>;
  /** With `--long`, in place of `full`. */
  runLong?(): Promise<readonly Figure[]>;
}

export function holds({ value, bound }: Figure): boolean {
  return Number.isFinite(value) && (bound === undefined || value <= bound);
}

/** The figures of two runs of a benchmark: with a bound, the lower value; without one, the later value. */
export function lowest(earlier: readonly Figure[], later: readonly Figure[]): readonly Figure[] {
  return later.map((figure) => {
    const before = earlier.find((each) => each.figure === figure.figure);
    const isLower = before?.bound !== undefined && before.value < figure.value;
    return isLower ? before : figure;
  });
}

/** One figure as a line of JSON. */
export function jsonLine(bench: string, figure: Figure): string {
  const { value, unit, bound } = figure;
  return JSON.stringify({ bench, figure: figure.figure, value, unit, bound: bound ?? null, holds: holds(figure) });
}

/** All figures as a text table. */
export function table(benchmark: Pick<Benchmark, "name" | "about">, figures: readonly Figure[]): string {
  const width = Math.max(...figures.map(({ figure }) => figure.length));
  const rows = figures.map((each) => {
    const value = each.value.toLocaleString("en", { maximumFractionDigits: each.unit === "ratio" ? 2 : 1 });
    const bound = each.bound === undefined ? "" : `   at most ${each.bound}: ${holds(each) ? "holds" : "DOES NOT HOLD"}`;
    return `  ${each.figure.padEnd(width)}  ${value.padStart(12)} ${each.unit}${bound}`;
  });
  return [`${benchmark.name}: ${benchmark.about}`, ...rows, ""].join("\n");
}

/** The median. Other load on the machine changes it less than the mean. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
