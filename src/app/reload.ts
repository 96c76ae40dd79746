import { ConfigError } from "../config/problem.ts";
import { mergeReload } from "../config/reload.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "../core/telemetry.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";

interface ReloadParts {
  /** The parts that use budgets. After a reload, `adoptBudgets` passes the new configuration to each part. */
  readonly adopters: readonly { adoptBudgets(next: Config): void }[];
  readonly log: Log;
  readonly metrics: GatewayMetrics;
}

/**
 * Returns the function that reloads the configuration. It applies the new budgets and logs which other changes need a restart.
 *
 * The function returns `true` on success. If the new configuration is invalid, it changes nothing and returns `false`.
 */
export function configReload(config: Config, { adopters, log, metrics }: ReloadParts): (load: () => Config) => boolean {
  let running = config;
  return (load) => {
    let next: Config;
    try {
      next = load();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      metrics.count("sallyport_config_reloads_total", { outcome: "refused" });
      log.error("configuration reload refused", { cause: error.message });
      return false;
    }
    const { merged, changed, needRestart } = mergeReload(running, next);
    running = merged;
    for (const each of adopters) each.adoptBudgets(running);
    metrics.count("sallyport_config_reloads_total", { outcome: "adopted" });
    log.info("configuration reloaded", { changed: changed.join(" ") });
    if (needRestart.length > 0) log.warn("configuration change requires restart", { settings: needRestart.join(" ") });
    return true;
  };
}
