import { RouteTable } from "../backend/rest/route-table.ts";
import { readIdentity as readBackendIdentity } from "../backend/upstreams/credentials.ts";
import { ConfigError } from "../config/problem.ts";
import type { Config } from "../config/schema.ts";
import { loadSeeds } from "../config/seeds.ts";
import { messageOf } from "../core/cause.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { readRedisTls } from "../stores/redis/redis-tls.ts";
import { readIdentity } from "./listeners.ts";
import { publicTable, redisTlsFiles } from "./options.ts";
import { upstreamSettings } from "./upstream-settings.ts";

/** Checks that read files or build parts of the gateway. They run at the start, not when the configuration is loaded. */
const CHECKS: readonly ((config: Config, clock: Clock) => unknown)[] = [
  (config) => loadSeeds(config),
  (config, clock) => readIdentity(config, clock),
  (config) => readRedisTls(redisTlsFiles(config)),
  (config) => publicTable(config),
  (config) => readBackendIdentity(upstreamSettings(config).credentials),
  (config) => new RouteTable(config.routes),
];

/** Runs the checks of a start, and returns all problems. Opens no connection and no listener. */
export function startProblems(config: Config, clock: Clock = systemClock): readonly string[] {
  return CHECKS.flatMap((check) => {
    try {
      check(config, clock);
      return [];
    } catch (error) {
      return error instanceof ConfigError ? error.problems : [messageOf(error)];
    }
  });
}
