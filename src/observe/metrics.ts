import { type Clock, systemClock } from "../core/clock.ts";
import { METRICS, type MetricName } from "../core/metric-table.ts";
import type { Metrics } from "../core/telemetry.ts";
import { MetricFamily } from "./metric-family.ts";
import type { MetricSnapshot } from "./metric-snapshot.ts";

export interface MetricsOptions {
  /** The version of Sallyport. */
  readonly version: string;
  readonly clock?: Clock;
}

/** All metrics of the process, in memory. */
export interface GatewayMetrics extends Metrics {
  /**
   * Registers a function that is called before each `render` and `snapshot`. The function sets gauges that are computed on
   * demand. To end the registration, call the returned function.
   */
  beforeRender(sample: () => void): () => void;
  /**
   * Returns the metrics in the Prometheus text exposition format, version 0.0.4. `others`: the metrics of the gateway's other
   * processes.
   */
  render(others?: readonly (readonly MetricSnapshot[])[]): string;
  /** Returns the values of all metrics, for `render` in another process. */
  snapshot(): MetricSnapshot[];
}

const MICROSECONDS = 1e6;

export function createMetrics({ version, clock = systemClock }: MetricsOptions): GatewayMetrics {
  const families = createFamilies();
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

  const measure = () => {
    sampleProcess();
    for (const sample of samplers) sample();
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
    render(others = []) {
      measure();
      if (others.length === 0) return rendered(families.values());
      return rendered(sum([snapshotOf(families), ...others]).values());
    },
    snapshot() {
      measure();
      return snapshotOf(families);
    },
  };
}

type Families = ReadonlyMap<MetricName, MetricFamily>;

function createFamilies(): Families {
  const names = Object.keys(METRICS) as MetricName[];
  return new Map(names.map((name) => [name, new MetricFamily(name, METRICS[name])]));
}

function rendered(families: Iterable<MetricFamily>): string {
  return [...families].map((each) => each.render()).join("");
}

function snapshotOf(families: Families): MetricSnapshot[] {
  return [...families].map(([name, family]) => ({ name, series: family.snapshot() }));
}

/**
 * Gauges for which the gateway reports the highest value of its processes. Most of these gauges measure something that all
 * processes share, such as the entries of a shared table.
 */
const HIGHEST: ReadonlySet<MetricName> = new Set([
  "sallyport_build_info",
  "sallyport_event_loop_delay_seconds",
  "sallyport_replay_entries",
  "sallyport_bucket_entries",
  "sallyport_answer_entries",
  "sallyport_answer_bytes",
  "sallyport_tls_certificate_expiry_seconds",
]);

/**
 * Gauges for which the gateway reports the lowest value of its processes. So Redis is up only if every process reaches it. The
 * start time of the gateway is that of its first process.
 */
const LOWEST: ReadonlySet<MetricName> = new Set(["sallyport_redis_up", "process_start_time_seconds"]);

/** Returns the function that combines the values of two processes: the minimum, the maximum or the sum. */
function mergeOf(name: MetricName): (a: number, b: number) => number {
  if (LOWEST.has(name)) return Math.min;
  return HIGHEST.has(name) ? Math.max : (a, b) => a + b;
}

/** Combines the metrics of several processes. `mergeOf` selects the function that combines the values of a metric. */
function sum(all: readonly (readonly MetricSnapshot[])[]): Families {
  const families = createFamilies();
  const merged = new Set<MetricName>();
  for (const { name, series } of all.flat()) {
    // A metric without labels starts with the value 0, which no process has measured. The first measured value replaces this 0.
    families.get(name)?.merge(series, merged.has(name) ? mergeOf(name) : (_, other) => other);
    merged.add(name);
  }
  return families;
}
