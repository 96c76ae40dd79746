import type { Metrics } from "../core/telemetry.ts";
import type { MetricSnapshot } from "../observe/metric-snapshot.ts";
import type { WorkerLink } from "./worker-link.ts";

/** Maximum time for the answer of a worker to `measure`, in ms. */
export const MEASURE_MS_MAX = 1000;

/** Sets the gauges of one worker. `snapshots`: its metrics; empty if it did not answer within `MEASURE_MS_MAX`. */
export function setWorkerGauges(
  metrics: Metrics,
  index: number,
  link: WorkerLink | undefined,
  snapshots: readonly MetricSnapshot[],
): void {
  const worker = { worker: String(index) };
  const isUp = snapshots.length > 0;
  const value = (name: MetricSnapshot["name"]) => {
    const series = link?.lastMetrics.find((each) => each.name === name)?.series ?? [];
    return series.reduce((sum, each) => sum + each.value, 0);
  };
  const delay = value("sallyport_event_loop_delay_seconds");
  const isLate = link !== undefined && !isUp;
  metrics.gauge("sallyport_worker_up", isUp ? 1 : 0, worker);
  metrics.gauge("sallyport_worker_event_loop_delay_seconds", isLate ? Math.max(delay, MEASURE_MS_MAX / 1000) : delay, worker);
  metrics.gauge("sallyport_worker_connections", value("sallyport_connections"), worker);
  metrics.gauge("sallyport_worker_streams", link?.streams.count ?? 0, worker);
  metrics.gauge("sallyport_worker_cpu_seconds", value("process_cpu_seconds_total"), worker);
  metrics.gauge("sallyport_worker_resident_bytes", value("process_resident_memory_bytes"), worker);
}
