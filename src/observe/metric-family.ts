import type { MetricDeclaration } from "../core/metric-table.ts";
import type { Labels } from "../core/ports.ts";

/** One label set of a metric, with what was measured for it. */
interface Series {
  /** `name="value",…`, escaped, as the exposition has it. */
  readonly labels: string;
  /** A counter's or gauge's value; a histogram's sum. */
  value: number;
  /** A histogram's observations: one count a bucket, not cumulated, +Inf last. Empty for the other types. */
  readonly counts: Float64Array;
}

/** Series by one label after the other: no key has to be put together to find one. */
interface SeriesTree {
  series: Series | undefined;
  readonly next: Map<string, SeriesTree>;
}

/** Label sets beyond this fold into one whose every label is "other": a metric stays small, whatever its labels are fed. */
const SERIES_MAX = 1000;
const OTHER = "other";
const LABEL_VALUE_CHARS_MAX = 128;
const NO_BUCKETS: readonly number[] = [];

/** A metric with all its label sets. */
export class MetricFamily {
  readonly #name: string;
  readonly #declaration: MetricDeclaration;
  readonly #buckets: readonly number[];
  /** By label values as they come in; several may lead to one series. */
  readonly #byValues: SeriesTree = { series: undefined, next: new Map() };
  #leaves = 0;
  /** By labels as they are rendered: a label set that came out twice would fail the whole scrape. */
  readonly #byLabels = new Map<string, Series>();

  constructor(name: string, declaration: MetricDeclaration) {
    this.#name = name;
    this.#declaration = declaration;
    this.#buckets = declaration.buckets ?? NO_BUCKETS;
    // What has no labels is known from the start: a counter at 0 is how one sees its first step.
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

  render(): string {
    const { type, help } = this.#declaration;
    const samples = [...this.#byLabels.values()].map((series) =>
      type === "histogram" ? this.#histogram(series) : this.#sample(series),
    );
    return `# HELP ${this.#name} ${help}\n# TYPE ${this.#name} ${type}\n${samples.join("")}`;
  }

  /** Labels that were not declared count for nothing; one that is missing is empty. */
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
    const series = { labels, value: 0, counts: new Float64Array(buckets) };
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

/** Prometheus text format 0.0.4, "Comments, help text, and type information": backslash, quote and line feed. */
function escapeLabel(value: string): string {
  return value.slice(0, LABEL_VALUE_CHARS_MAX).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
