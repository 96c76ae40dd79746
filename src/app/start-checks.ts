import { ConfigError } from "../config/problem.ts";
import type { Config } from "../config/schema.ts";
import { loadSeeds } from "../config/seeds.ts";
import { messageOf } from "../core/cause.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Log } from "../core/telemetry.ts";
import { createMetrics } from "../observe/metrics.ts";
import { readRedisTls } from "../stores/redis/tls.ts";
import { openBackend } from "./backend.ts";
import { readIdentity } from "./listeners.ts";
import { publicTable, storeSettings } from "./options.ts";

/** What a check may use. It opens no connection. */
interface CheckParts {
  readonly clock: Clock;
  readonly log: Log;
}

/** The checks of the start that the sources of the configuration cannot make: they read files or build parts of the gateway. */
const CHECKS: readonly ((config: Config, parts: CheckParts) => unknown)[] = [
  (config) => loadSeeds(config),
  (config, { clock }) => readIdentity(config, clock),
  (config) => readRedisFiles(config),
  (config) => publicTable(config),
  (config, parts) => buildBackend(config, parts),
];

/** Runs the checks of a start, and returns all problems. Opens no connection and no listener. */
export function startProblems(config: Config, parts: CheckParts = { clock: systemClock, log: SILENT }): readonly string[] {
  return CHECKS.flatMap((check) => {
    try {
      check(config, parts);
      return [];
    } catch (error) {
      return error instanceof ConfigError ? error.problems : [messageOf(error)];
    }
  });
}

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };

function readRedisFiles(config: Config): void {
  const { redis } = storeSettings(config);
  if (redis !== undefined) readRedisTls(redis.tlsFiles);
}

function buildBackend(config: Config, parts: CheckParts): void {
  if (config["backend.url"] === undefined && config.upstreams.length === 0) return;
  openBackend(config, { ...parts, metrics: createMetrics({ version: "" }) }).close();
}
