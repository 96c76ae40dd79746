import type { CounterName, GaugeName, HistogramName } from "./metric-table.ts";

/** The label set of one time series. */
export type Labels = Readonly<Record<string, string>>;

/** Records measurements. The metric names are defined in core/metric-table.ts. */
export interface Metrics {
  count(name: CounterName, labels?: Labels, by?: number): void;
  gauge(name: GaugeName, value: number, labels?: Labels): void;
  /** Adds one observation, in the unit of the histogram (seconds for durations). */
  observe(name: HistogramName, value: number, labels?: Labels): void;
}

/** The fields of a log line. Undefined fields are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes structured logs. Each call writes one line. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
