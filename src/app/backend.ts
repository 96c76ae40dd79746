import { OutageLog, type OutageLogOptions } from "../backend/rest/outage-log.ts";
import { PublicAuth } from "../backend/rest/public-auth.ts";
import { RestBackend } from "../backend/rest/rest-backend.ts";
import { RouteTable } from "../backend/rest/route-table.ts";
import { BackendSessionSource } from "../backend/rest/session-lookup.ts";
import type { Identity } from "../backend/upstreams/credentials.ts";
import type { PoolName } from "../backend/upstreams/settings.ts";
import { Upstreams } from "../backend/upstreams/upstreams.ts";
import type { GatewayConfig } from "../config/rules.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { PathPattern } from "../core/path-pattern.ts";
import type { Log } from "../core/telemetry.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import { continueTraces } from "../observe/trace.ts";
import { deviceKeys, identityHeaderNames } from "./options.ts";
import { upstreamSettings } from "./upstream-settings.ts";

interface BackendParts {
  readonly metrics: GatewayMetrics;
  readonly log: Log;
  readonly clock: Clock;
  /** The pools whose gauges are updated before each scrape. Default: all pools. */
  readonly sampledPools?: readonly PoolName[];
  /** The first credentials for the backend. If they are missing, they are read from the files that `backend.*` names. */
  readonly credentials?: Identity | undefined;
}

/**
 * Opens the three clients of the backend's REST API: one for commands, one for session look-ups, and one for public routes.
 * Each client has its own connections. Throws `TlsFilesError` if a TLS file or the token file cannot be used.
 */
export function openBackend(config: GatewayConfig, { metrics, log, clock, sampledPools, credentials }: BackendParts) {
  const outageLog = (calls: OutageLogOptions["calls"]) => new OutageLog({ calls, log, clock });
  const upstreams = new Upstreams(upstreamSettings(config), { metrics, log, clock, random: Math.random, credentials });
  const endSampling = metrics.beforeRender(() => upstreams.sample(sampledPools));
  const common = { upstreams, metrics };
  const timeoutMs = config["backend.timeout_ms"];
  const responseBytesMax = config["backend.response_bytes_max"];
  const trace = continueTraces();
  const identityHeaders = identityHeaderNames(config);
  const commands = new RestBackend({
    ...common,
    routes: new RouteTable(config.routes),
    timeoutMs,
    responseBytesMax,
    ...{ trace, identityHeaders, clock },
    outageLog: outageLog("commands"),
  });
  const sessions = new BackendSessionSource({
    ...common,
    path: new PathPattern(config["backend.session_path"]),
    timeoutMs: config["backend.session_timeout_ms"],
    toKey: deviceKeys(config),
    outageLog: outageLog("session look-ups"),
  });
  const publicAuth = new PublicAuth({
    ...{ ...common, timeoutMs, responseBytesMax, trace, identityHeaders },
    outageLog: outageLog("logins"),
  });
  const close = () => {
    endSampling();
    upstreams.close();
  };
  /** Returns the credentials in use. */
  const identity = () => upstreams.credentials.current;
  /** See `ReloadPart.prepare`. Throws `TlsFilesError` if a TLS file or the token file cannot be used. */
  const prepare = (next: Config) => {
    const routes = new RouteTable(next.routes);
    const path = new PathPattern(next["backend.session_path"]);
    const prepared = upstreams.prepare(upstreamSettings(next));
    const options = {
      timeoutMs: next["backend.timeout_ms"],
      responseBytesMax: next["backend.response_bytes_max"],
      identityHeaders: identityHeaderNames(next),
    };
    return {
      ...prepared,
      commit() {
        prepared.commit();
        commands.adopt(routes, options);
        sessions.adopt({ path, timeoutMs: next["backend.session_timeout_ms"] });
        publicAuth.adopt(options);
      },
    };
  };
  return { commands, sessions, publicAuth, prepare, identity, close };
}
