import { METRICS } from "../core/metric-table.ts";
import { MetricFamily } from "./metric-family.ts";
import type { MetricSnapshot } from "./metric-snapshot.ts";

/**
 * The counters and histograms of processes that have ended. The sums over all processes include them, so these sums never
 * decrease. Prometheus treats a decrease as a reset of the counter, and would count the remaining value again.
 */
export class EndedMetrics {
  readonly #families = new Map<MetricSnapshot["name"], MetricFamily>();

  /** Adds the last metrics of a process that has ended. */
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
