import project from "../../package.json" with { type: "json" };
import type { Config } from "../config/schema.ts";
import type { LogFields } from "../core/telemetry.ts";
import { type BatchedLog, createLog } from "../observe/log.ts";
import { createMetrics, type GatewayMetrics } from "../observe/metrics.ts";
import { stdoutSink } from "../observe/stdout.ts";

/**
 * Creates the metrics, and a log that writes to standard output. A metric counts the log lines that could not be written.
 * `fields`: the first fields of every line.
 */
export function createTelemetry(
  config: Config,
  fields?: LogFields,
): { readonly log: BatchedLog; readonly metrics: GatewayMetrics } {
  const metrics = createMetrics({ version: project.version });
  const log = createLog({
    level: config["log.level"],
    format: config["log.format"],
    fields,
    write: stdoutSink,
    onDropped: (lines) => metrics.count("sallyport_log_lines_dropped_total", undefined, lines),
  });
  return { log, metrics };
}
