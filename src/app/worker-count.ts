import type { Config } from "../config/schema.ts";
import { WORKERS_MAX } from "../core/limits.ts";
import type { Log } from "../core/telemetry.ts";
import { availableProcessors } from "./processors.ts";

export interface WorkerCountParts {
  readonly log: Log;
  readonly platform?: NodeJS.Platform;
  readonly processors?: () => number;
}

/** Returns the number of worker processes. With 1, the gateway is one process. */
export function workerCount(
  config: Pick<Config, "workers.count">,
  { log, platform = process.platform, processors = availableProcessors }: WorkerCountParts,
): number {
  const given = config["workers.count"];
  const count = given === "auto" ? Math.min(processors(), WORKERS_MAX) : given;
  if (platform === "linux") return count;
  // Only the Linux kernel spreads the connections of a shared port over several processes.
  if (count > 1) log.warn("workers.count ignored outside Linux", { given, workers: 1 });
  return 1;
}
