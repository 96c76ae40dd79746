import { expect, test } from "bun:test";
import { EndedMetrics } from "../../../src/observe/ended-metrics.ts";
import { createMetrics } from "../../../src/observe/metrics.ts";

/** The metrics of a gateway of which some processes have ended. */

function processWith(calls: number) {
  const metrics = createMetrics({ version: "1" });
  for (let n = 0; n < calls; n++) {
    metrics.count("sallyport_refusals_total", { reason: "RATE_LIMITED" });
    metrics.observe("sallyport_request_seconds", 0.002, { rpc: "ExecuteCommand" });
  }
  metrics.gauge("sallyport_session_cache_entries", 7);
  return metrics;
}

test("counters and histograms of ended processes stay in the sum, gauges do not", () => {
  const ended = new EndedMetrics();
  ended.add(processWith(2).snapshot());
  ended.add(processWith(3).snapshot());
  const text = processWith(1).render([ended.snapshot()]);
  expect(text).toContain('sallyport_refusals_total{reason="RATE_LIMITED"} 6\n');
  expect(text).toContain('sallyport_request_seconds_bucket{rpc="ExecuteCommand",le="0.0025"} 6\n');
  expect(text).toContain('sallyport_request_seconds_bucket{rpc="ExecuteCommand",le="0.001"} 0\n');
  expect(text).toContain('sallyport_request_seconds_count{rpc="ExecuteCommand"} 6\n');
  expect(text).toContain("sallyport_session_cache_entries 7\n");
});

test("Redis counts as up only if every process reaches it", () => {
  const [up, down] = [processWith(0), processWith(0)];
  up.gauge("sallyport_redis_up", 1);
  down.gauge("sallyport_redis_up", 0);
  const without = processWith(0).snapshot();
  expect(up.render([without])).toContain("sallyport_redis_up 1\n");
  expect(up.render([without, down.snapshot()])).toContain("sallyport_redis_up 0\n");
  expect(down.render([up.snapshot()])).toContain("sallyport_redis_up 0\n");
});
