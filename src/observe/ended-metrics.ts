import { METRICS } from "../core/metric-table.ts";
import { MetricFamily } from "./metric-family.ts";
import type { MetricSnapshot } from "./metric-snapshot.ts";

/**
 * The counters and histograms of processes that have ended. A sum that includes them never decreases. Otherwise, Prometheus would
 * take the end of a process for a reset of all counters, and add their whole values again.
 */
export class EndedMetrics {
  readonly #families = new Map<MetricSnapshot["name"], MetricFamily>();

  /** Adds the last known metrics of a process. */
  add(snapshots: readonly MetricSnapshot[]): void {
    for (const { name, series } of snapshots) {
      const declaration = METRICS[name];
      if (declaration.type !== "counter" && declaration.type !== "histogram") continue;
      const family = this.#families.get(name) ?? new MetricFamily(name, declaration);
      this.#families.set(name, family);
      family.merge(series, (a, b) => a + b);
    }
  }

  snapshot(): MetricSnapshot[] {
    return [...this.#families].map(([name, family]) => ({ name, series: family.snapshot() }));
  }
}
