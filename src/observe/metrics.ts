import { type Clock, systemClock } from "../core/clock.ts";
import { METRICS, type MetricName } from "../core/metric-table.ts";
import type { Metrics } from "../core/telemetry.ts";
import { MetricFamily } from "./metric-family.ts";

export interface MetricsOptions {
  /** The version of Sallyport. */
  readonly version: string;
  readonly clock?: Clock;
}

/** All metrics of the process, in memory. */
export interface GatewayMetrics extends Metrics {
  /**
   * Registers a function that is called before each `render`, for gauges that are computed on demand. The returned function ends the
   * registration.
   */
  beforeRender(sample: () => void): () => void;
  /** Returns the metrics in the Prometheus text exposition format, version 0.0.4. */
  render(): string;
}

const MICROSECONDS = 1e6;

export function createMetrics({ version, clock = systemClock }: MetricsOptions): GatewayMetrics {
  const families = new Map(Object.entries(METRICS).map(([name, declaration]) => [name, new MetricFamily(name, declaration)]));
  const samplers = new Set<() => void>();
  const startSeconds = clock.now() / 1000 - process.uptime();

  const family = (name: MetricName): MetricFamily => {
    const found = families.get(name);
    if (found === undefined) throw new TypeError(`metric ${name} is not declared`);
    return found;
  };
  const sampleProcess = () => {
    const cpu = process.cpuUsage();
    family("process_resident_memory_bytes").set(process.memoryUsage.rss(), undefined);
    family("process_cpu_seconds_total").set((cpu.user + cpu.system) / MICROSECONDS, undefined);
    family("process_start_time_seconds").set(startSeconds, undefined);
  };

  family("sallyport_build_info").set(1, { version, bun: Bun.version });
  return {
    count: (name, labels, by = 1) => family(name).add(by, labels),
    gauge: (name, value, labels) => family(name).set(value, labels),
    observe: (name, value, labels) => family(name).observe(value, labels),
    beforeRender(sample) {
      samplers.add(sample);
      return () => void samplers.delete(sample);
    },
    render() {
      sampleProcess();
      for (const sample of samplers) sample();
      return [...families.values()].map((each) => each.render()).join("");
    },
  };
}
