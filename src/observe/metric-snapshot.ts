import type { MetricName } from "../core/metric-table.ts";

/** The values of one metric of one process, for a sum over several processes. */
export interface MetricSnapshot {
  readonly name: MetricName;
  readonly series: readonly SeriesSnapshot[];
}

export interface SeriesSnapshot {
  /** The values of the declared labels, in the declared order. */
  readonly labels: readonly string[];
  readonly value: number;
  /** Number of observations in each bucket of a histogram, not cumulative. Empty for other metric types. */
  readonly counts: readonly number[];
}
