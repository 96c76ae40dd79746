/** What every benchmark is: a name, and a run that gives figures. Bounds are on ratios measured in one run, never on times. */

export interface Figure {
  readonly figure: string;
  readonly value: number;
  /** `ratio`, `us`, `bytes`, … */
  readonly unit: string;
  /** The most that the value may be, where there is a bound. */
  readonly bound?: number;
}

/** `full`: long enough to believe. `small`: in the tests, to see that it still works; its bounds are not looked at. */
export type Scale = "full" | "small";

export interface Benchmark {
  readonly name: string;
  /** What it compares with what, in a sentence. */
  readonly about: string;
  run(scale: Scale): Promise<readonly Figure[]>;
  /** With `--long`, in place of `full`. */
  runLong?(): Promise<readonly Figure[]>;
}

export function holds({ value, bound }: Figure): boolean {
  return Number.isFinite(value) && (bound === undefined || value <= bound);
}

/** One line a figure, for machines. */
export function jsonLine(bench: string, figure: Figure): string {
  const { value, unit, bound } = figure;
  return JSON.stringify({ bench, figure: figure.figure, value, unit, bound: bound ?? null, holds: holds(figure) });
}

/** For people. */
export function table(benchmark: Pick<Benchmark, "name" | "about">, figures: readonly Figure[]): string {
  const width = Math.max(...figures.map(({ figure }) => figure.length));
  const rows = figures.map((each) => {
    const value = each.value.toLocaleString("en", { maximumFractionDigits: each.unit === "ratio" ? 2 : 1 });
    const bound = each.bound === undefined ? "" : `   at most ${each.bound}: ${holds(each) ? "holds" : "DOES NOT HOLD"}`;
    return `  ${each.figure.padEnd(width)}  ${value.padStart(12)} ${each.unit}${bound}`;
  });
  return [`${benchmark.name}: ${benchmark.about}`, ...rows, ""].join("\n");
}

/** The middle of the values: what a noisy machine moves least. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
