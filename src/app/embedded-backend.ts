import { DEFAULT_IDENTITY_HEADERS, IDENTITY_HEADER_KEYS } from "../config/identity-headers.ts";
import { CONFIG_KEYS, type Config, type ConfigKey, SCHEMA } from "../config/schema.ts";
import type { Log } from "../core/telemetry.ts";

/** Returns the options of the embedded backend, which `sallyport dev` and `sallyport demo` start. */
export function embeddedBackendOptions(config: Config) {
  return {
    restListen: config["dev.backend_listen"],
    pushListen: config["dev.push_listen"],
    hosts: config["admin.hosts"],
    database: config["dev.database"],
  };
}

/** Returns the configuration with the embedded backend instead of the configured backend and push source. */
export function withEmbeddedBackend(
  config: Config,
  { restUrl, pushUrl }: { readonly restUrl: string; readonly pushUrl: string },
): Config {
  const urls = { "backend.url": restUrl, upstreams: [], "push.url": pushUrl };
  return { ...config, ...DEFAULT_IDENTITY_HEADERS, ...urls, "push.source": "feed" };
}

/** The settings that `sallyport dev` does not use: it has one process, an embedded backend, and a checkpoint in memory. */
const UNUSED: readonly ConfigKey[] = [
  ...CONFIG_KEYS.filter((key) => /^push\.(source|listen|token|token_file|items_per_second_max|log_|redis\.)/.test(key)),
  ...IDENTITY_HEADER_KEYS,
  ...(["backend.url", "push.url", "upstreams", "history.checkpoint_file"] as const),
  ...(["workers.count", "reload.watch_ms", "upgrade.timeout_ms"] as const),
];

/** Logs a warning that names the settings that have another value than their default, and are not used by `sallyport dev`. */
export function warnOfUnused(config: Config, log: Log): void {
  const changed = UNUSED.filter((key) => !Bun.deepEquals(config[key], SCHEMA[key].default));
  if (changed.length > 0) log.warn("settings unused by dev", { settings: changed.join(", ") });
}
