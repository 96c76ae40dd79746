import type { UpstreamSettings } from "../backend/upstreams/settings.ts";
import type { Config } from "../config/schema.ts";

/** Name of the only upstream if `backend.url` is set instead of `upstreams`. */
const ONLY_UPSTREAM = "backend";

export function upstreamSettings(config: Config): UpstreamSettings {
  const { "backend.url": url, upstreams, "workers.count": count } = config;
  // If the gateway has several workers, `serve` has replaced `auto` by their number.
  const workers = count === "auto" ? 1 : count;
  const file = (setting: "backend.ca_file" | "backend.certificate_file" | "backend.key_file" | "backend.token_file") => {
    return { setting, path: config[setting] };
  };
  return {
    rows:
      url === undefined
        ? upstreams.map((row) => ({ ...row, weight: row.weight ?? 1 }))
        : [{ name: ONLY_UPSTREAM, url, weight: 1 }],
    connectTimeoutMs: config["backend.connect_timeout_ms"],
    responseTimeoutMs: config["backend.response_timeout_ms"],
    retriesMax: config["backend.retries_max"],
    retryBudgetPercent: config["backend.retry_budget_percent"],
    // Each worker counts only its own backend calls. So it gets an equal part of `requests_max` and of `pending_max`.
    requestsMax: Math.ceil(config["backend.requests_max"] / workers),
    pendingMax: Math.ceil(config["backend.pending_max"] / workers),
    panicPercent: config["backend.panic_percent"],
    slowStartMs: config["backend.slow_start_ms"],
    ...{ outlier: outlierSettings(config), health: healthSettings(config) },
    dns: { servers: config["backend.dns_servers"], refreshMs: config["backend.dns_refresh_ms"] },
    credentials: {
      ca: file("backend.ca_file"),
      certificate: file("backend.certificate_file"),
      key: file("backend.key_file"),
      tokenFile: file("backend.token_file"),
      token: config["backend.token"],
      reloadMs: config["tls.reload_ms"],
    },
  };
}

function outlierSettings(config: Config): UpstreamSettings["outlier"] {
  return {
    consecutive5xx: config["backend.outlier.consecutive_5xx"],
    consecutiveGatewayFailure: config["backend.outlier.consecutive_gateway_failure"],
    intervalMs: config["backend.outlier.interval_ms"],
    baseEjectionTimeMs: config["backend.outlier.base_ejection_time_ms"],
    maxEjectionTimeMs: config["backend.outlier.max_ejection_time_ms"],
    maxEjectionPercent: config["backend.outlier.max_ejection_percent"],
  };
}

function healthSettings(config: Config): UpstreamSettings["health"] {
  const path = config["backend.health.path"];
  return path === undefined
    ? undefined
    : {
        path,
        intervalMs: config["backend.health.interval_ms"],
        timeoutMs: config["backend.health.timeout_ms"],
        healthyThreshold: config["backend.health.healthy_threshold"],
        unhealthyThreshold: config["backend.health.unhealthy_threshold"],
      };
}
