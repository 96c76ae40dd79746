import { CONFIG_KEYS, type Config, type ConfigKey } from "./schema.ts";

/** The settings that a reload applies. An entry that ends in a dot stands for all settings below it. */
const RELOADED = [
  "tls.",
  "cors.",
  "trusted_proxies",
  "trusted_proxies_header",
  "backend.",
  "upstreams",
  "routes",
  "public_routes",
  "keys.",
  "limits.",
  "streams.per_session_max",
  "streams.per_user_max",
  "streams.per_network_max",
  "streams.total_max",
  "streams.outbox_bytes_max",
  "streams.outbox_messages_max",
  "streams.age_ms",
  "history.events_max",
  "history.bytes_max",
  "history.total_bytes_max",
  "budgets.",
  "shutdown.",
  "log.level",
] as const;

const RELOADABLE: ReadonlySet<ConfigKey> = new Set(
  CONFIG_KEYS.filter((key) => RELOADED.some((entry) => (entry.endsWith(".") ? key.startsWith(entry) : key === entry))),
);

/** Returns true if a reload applies changes of the setting. Otherwise, a change needs a restart. */
export function isReloadable(key: ConfigKey): boolean {
  return RELOADABLE.has(key);
}

const TLS_FILES: readonly ConfigKey[] = ["tls.certificate_file", "tls.key_file", "tls.client_ca_file"];

/**
 * Returns the reloadable settings whose change from `running` to `next` still needs a restart:
 *
 * - The TLS files, if one is added or removed. A running listener cannot turn TLS or client certificates on or off.
 * - `trusted_proxies` with TLS and `edge.grpc = same-port`, if the list becomes empty or is no longer empty. The listener reads
 *   PROXY headers only if it started with trusted proxies.
 */
export function heldKeys(running: Config, next: Config): ReadonlySet<ConfigKey> {
  const held = new Set<ConfigKey>();
  if (TLS_FILES.some((key) => (running[key] === undefined) !== (next[key] === undefined))) {
    for (const key of TLS_FILES) held.add(key);
  }
  const isTlsOnOnePort = running["tls.certificate_file"] !== undefined && running["edge.grpc"] === "same-port";
  if (isTlsOnOnePort && (running.trusted_proxies.length === 0) !== (next.trusted_proxies.length === 0)) {
    held.add("trusted_proxies");
  }
  return held;
}
