import { describe, expect, test } from "bun:test";
import { METRICS } from "../../../src/core/metric-table.ts";
import { createMetrics } from "../../../src/observe/metrics.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const clock = new ManualClock(1_000_000);
const create = () => createMetrics({ version: "1.2.3", clock });

function samplesOf(text: string, name: string): readonly string[] {
  return text.split("\n").filter((line) => line.startsWith(name));
}

describe("exposition", () => {
  test("counters add up by label set, gauges keep the last value", () => {
    const metrics = create();
    metrics.count("sallyport_refusals_total", { reason: "RATE_LIMITED" });
    metrics.count("sallyport_refusals_total", { reason: "RATE_LIMITED" }, 2);
    metrics.count("sallyport_refusals_total", { reason: "INTERNAL" });
    metrics.gauge("sallyport_streams", 7, { protocol: "grpc" });
    metrics.gauge("sallyport_streams", 3, { protocol: "grpc" });
    const text = metrics.render();
    expect(samplesOf(text, "sallyport_refusals_total")).toEqual([
      'sallyport_refusals_total{reason="RATE_LIMITED"} 3',
      'sallyport_refusals_total{reason="INTERNAL"} 1',
    ]);
    expect(samplesOf(text, "sallyport_streams")).toEqual(['sallyport_streams{protocol="grpc"} 3']);
  });

  test("histogram buckets are cumulative and inclusive, and end in +Inf, sum and count", () => {
    const metrics = create();
    for (const seconds of [0.0005, 0.0006, 0.2, 500]) metrics.observe("sallyport_request_seconds", seconds, { rpc: "x" });
    const samples = samplesOf(metrics.render(), "sallyport_request_seconds");
    expect(samples).toContain('sallyport_request_seconds_bucket{rpc="x",le="0.0005"} 1');
    expect(samples).toContain('sallyport_request_seconds_bucket{rpc="x",le="0.001"} 2');
    expect(samples).toContain('sallyport_request_seconds_bucket{rpc="x",le="0.25"} 3');
    expect(samples).toContain('sallyport_request_seconds_bucket{rpc="x",le="120"} 3');
    expect(samples.slice(-3)).toEqual([
      'sallyport_request_seconds_bucket{rpc="x",le="+Inf"} 4',
      'sallyport_request_seconds_sum{rpc="x"} 500.2011',
      'sallyport_request_seconds_count{rpc="x"} 4',
    ]);
  });

  test("every metric has help and type, metrics without labels are exposed from the start, and the text ends in a line feed", () => {
    const text = create().render();
    for (const [name, { type, help }] of Object.entries(METRICS)) {
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
    }
    expect(text).toContain("\nsallyport_push_feed_gaps_total 0\n");
    expect(text).toContain(`sallyport_build_info{version="1.2.3",bun="${Bun.version}"} 1\n`);
    expect(text).toEndWith("\n");
    const line = /^(# (HELP|TYPE) .+|[a-z_]+(\{([a-z_]+="(\\.|[^"\\\n])*",?)+\})? [0-9.e+-]+)$/;
    expect(
      text
        .trimEnd()
        .split("\n")
        .filter((each) => !line.test(each)),
    ).toEqual([]);
  });

  test("memory, CPU time and start time of the process are sampled at the scrape", () => {
    const text = create().render();
    expect(Number(samplesOf(text, "process_resident_memory_bytes")[0]?.split(" ")[1])).toBeGreaterThan(1e6);
    expect(Number(samplesOf(text, "process_cpu_seconds_total")[0]?.split(" ")[1])).toBeGreaterThan(0);
    expect(Number(samplesOf(text, "process_start_time_seconds")[0]?.split(" ")[1])).toBeLessThan(1000);
  });

  test("beforeRender functions are called at every scrape", () => {
    const metrics = create();
    let entries = 1;
    metrics.beforeRender(() => metrics.gauge("sallyport_replay_entries", entries));
    expect(metrics.render()).toContain("\nsallyport_replay_entries 1\n");
    entries = 5;
    expect(metrics.render()).toContain("\nsallyport_replay_entries 5\n");
  });

  test("a registration of beforeRender can be ended", () => {
    const metrics = createMetrics({ version: "1" });
    let calls = 0;
    const end = metrics.beforeRender(() => calls++);
    metrics.render();
    end();
    metrics.render();
    expect(calls).toBe(1);
  });
});

/** Reserved labels of Prometheus, and suffixes that a type adds to its samples. */
test.each(Object.entries(METRICS))(
  "%s follows the conventions of Prometheus and OpenMetrics",
  (name, { type, help, labels }) => {
    expect(name).toMatch(/^(sallyport|process)(_[a-z]+)+$/);
    expect(name.endsWith("_total")).toBe(type === "counter");
    expect(name).not.toMatch(/_(bucket|count|sum|created|ms|milliseconds|kb)$/);
    if (type === "histogram") expect(name).toMatch(/_(seconds|bytes)$/);
    expect(help).not.toContain("\n");
    for (const label of labels) {
      expect(label).toMatch(/^[a-z][a-z_]*$/);
      expect(["le", "job", "instance", "exemplar"]).not.toContain(label);
      expect(label === "quantile").toBe(type === "summary");
    }
  },
);

describe("labels", () => {
  test("label values are escaped", () => {
    const metrics = create();
    metrics.count("sallyport_refusals_total", { reason: 'a"b\\c\nd' });
    expect(metrics.render()).toContain('\nsallyport_refusals_total{reason="a\\"b\\\\c\\nd"} 1\n');
  });

  test('label sets beyond the limit are counted as "other"', () => {
    const metrics = create();
    for (let at = 0; at < 5000; at++) metrics.count("sallyport_refusals_total", { reason: `r${at}` });
    const samples = samplesOf(metrics.render(), "sallyport_refusals_total");
    expect(samples).toHaveLength(1001);
    expect(samples.at(-1)).toBe('sallyport_refusals_total{reason="other"} 4000');
  });

  test("no label set is rendered twice", () => {
    const metrics = create();
    metrics.count("sallyport_refusals_total", { reason: "other" });
    for (let at = 0; at < 1001; at++) metrics.count("sallyport_refusals_total", { reason: `${"x".repeat(200)}${at}` });
    for (let at = 0; at < 1001; at++) metrics.count("sallyport_refusals_total", { reason: `y${at}` });
    const sets = samplesOf(metrics.render(), "sallyport_refusals_total").map((line) => line.split(" ")[0]);
    expect(new Set(sets).size).toBe(sets.length);
  });

  test("a missing label is empty, and an undeclared label is ignored", () => {
    const metrics = create();
    metrics.count("sallyport_refusals_total", { secret: "x" });
    metrics.count("sallyport_refusals_total");
    expect(samplesOf(metrics.render(), "sallyport_refusals_total")).toEqual(['sallyport_refusals_total{reason=""} 2']);
  });
});

test("an undeclared metric throws at run time", () => {
  const untyped: { count(name: string): void } = create();
  expect(() => untyped.count("sallyport_typo_total")).toThrow("sallyport_typo_total is not declared");
});
