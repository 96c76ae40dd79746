import type { MetricDeclaration } from "../core/metric-table.ts";
import type { Labels } from "../core/telemetry.ts";
import type { SeriesSnapshot } from "./metric-snapshot.ts";

/** One time series of a metric: one combination of label values, and its value. */
interface Series {
  /** The labels as `name="value",…`, escaped for the text format. */
  readonly labels: string;
  /** The label values, in the declared order. */
  readonly values: readonly string[];
  /** The value of a counter or gauge, or the sum of a histogram. */
  value: number;
  /**
   * Number of observations in each bucket of a histogram, not cumulative. The last bucket is `+Inf`. Empty for other metric
   * types.
   */
  readonly counts: Float64Array;
}

/** A tree of time series: one level for each label, one branch for each label value. So a look-up concatenates no strings. */
interface SeriesTree {
  series: Series | undefined;
  readonly next: Map<string, SeriesTree>;
}

/**
 * Maximum number of label sets of one metric. It bounds the memory if clients control a label. All further label sets share one
 * series, in which each label is "other".
 */
const SERIES_MAX = 1000;
const OTHER = "other";
const LABEL_VALUE_CHARS_MAX = 128;
const NO_BUCKETS: readonly number[] = [];

export class MetricFamily {
  readonly #name: string;
  readonly #declaration: MetricDeclaration;
  readonly #buckets: readonly number[];
  /** Finds a series by its label values. Values that are equal after truncation lead to the same series. */
  readonly #byValues: SeriesTree = { series: undefined, next: new Map() };
  #leaves = 0;
  /**
   * Finds a series by its labels in the text format. This map prevents two series with equal labels, because Prometheus would
   * reject them.
   */
  readonly #byLabels = new Map<string, Series>();

  constructor(name: string, declaration: MetricDeclaration) {
    this.#name = name;
    this.#declaration = declaration;
    this.#buckets = declaration.buckets ?? NO_BUCKETS;
    // A metric without labels is exposed from the start, with the value 0. Otherwise, Prometheus would not detect the first
    // increment.
    if (declaration.labels.length === 0 && declaration.isOptional !== true) this.#find(undefined);
  }

  add(by: number, labels: Labels | undefined): void {
    this.#find(labels).value += by;
  }

  set(value: number, labels: Labels | undefined): void {
    this.#find(labels).value = value;
  }

  observe(value: number, labels: Labels | undefined): void {
    const series = this.#find(labels);
    const buckets = this.#buckets;
    let at = 0;
    while (at < buckets.length && value > (buckets[at] ?? 0)) at++;
    series.counts[at] = (series.counts[at] ?? 0) + 1;
    series.value += value;
  }

  /** Returns all series, for a sum over several processes. */
  snapshot(): SeriesSnapshot[] {
    return [...this.#byLabels.values()].map(({ values, value, counts }) => ({ labels: values, value, counts: [...counts] }));
  }

  /** Adds the series of another process. `combine` computes the value of a series that both processes have. */
  merge(all: readonly SeriesSnapshot[], combine: (value: number, other: number) => number): void {
    for (const { labels, value, counts } of all) {
      const known = this.#leaves;
      const series = this.#find(Object.fromEntries(this.#declaration.labels.map((name, at) => [name, labels[at] ?? ""])));
      series.value = this.#leaves > known ? value : combine(series.value, value);
      for (const [at, count] of counts.entries()) series.counts[at] = (series.counts[at] ?? 0) + count;
    }
  }

  render(): string {
    const { type, help } = this.#declaration;
    const samples = [...this.#byLabels.values()].map((series) =>
      type === "histogram" ? this.#histogram(series) : this.#sample(series),
    );
    return `# HELP ${this.#name} ${help}\n# TYPE ${this.#name} ${type}\n${samples.join("")}`;
  }

  /**
   * Returns the series of a label set, and creates it if needed. Ignores undeclared labels. A missing label has an empty value.
   */
  #find(labels: Labels | undefined): Series {
    let tree: SeriesTree | undefined = this.#byValues;
    for (const name of this.#declaration.labels) tree = tree?.next.get(labels?.[name] ?? "");
    return tree?.series ?? this.#newSeries(labels);
  }

  #newSeries(labels: Labels | undefined): Series {
    if (this.#leaves >= SERIES_MAX) return this.#labelled(this.#declaration.labels.map(() => OTHER));
    const values = this.#declaration.labels.map((name) => labels?.[name] ?? "");
    let tree = this.#byValues;
    for (const value of values) tree = branch(tree, value);
    tree.series = this.#labelled(values);
    this.#leaves++;
    return tree.series;
  }

  #labelled(values: readonly string[]): Series {
    const labels = this.#declaration.labels.map((name, at) => `${name}="${escapeLabel(values[at] ?? "")}"`).join(",");
    const known = this.#byLabels.get(labels);
    if (known !== undefined) return known;
    const buckets = this.#declaration.type === "histogram" ? this.#buckets.length + 1 : 0;
    const series = { labels, values, value: 0, counts: new Float64Array(buckets) };
    this.#byLabels.set(labels, series);
    return series;
  }

  #sample(series: Series): string {
    return `${this.#name}${series.labels === "" ? "" : `{${series.labels}}`} ${series.value}\n`;
  }

  #histogram(series: Series): string {
    const prefix = series.labels === "" ? "" : `${series.labels},`;
    const set = series.labels === "" ? "" : `{${series.labels}}`;
    let text = "";
    let total = 0;
    for (const [at, count] of series.counts.entries()) {
      total += count;
      text += `${this.#name}_bucket{${prefix}le="${this.#buckets[at] ?? "+Inf"}"} ${total}\n`;
    }
    return `${text}${this.#name}_sum${set} ${series.value}\n${this.#name}_count${set} ${total}\n`;
  }
}

function branch(tree: SeriesTree, value: string): SeriesTree {
  const known = tree.next.get(value);
  if (known !== undefined) return known;
  const made: SeriesTree = { series: undefined, next: new Map() };
  tree.next.set(value, made);
  return made;
}

/**
 * Truncates a label value, and escapes backslash, quote and line feed (Prometheus text format 0.0.4, "Comments, help text, and
 * type information").
 */
function escapeLabel(value: string): string {
  return value.slice(0, LABEL_VALUE_CHARS_MAX).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
