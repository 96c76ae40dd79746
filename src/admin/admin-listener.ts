import type { ListenAddress } from "../core/listen.ts";
import { ForeignPageError, PageGuard } from "../core/page-guard.ts";
import type { ReloadOutcome } from "../core/reload.ts";
import { jsonReply, RestError } from "../core/rest-reply.ts";
import type { UpgradeOutcome, UpgradeScope } from "../core/upgrade.ts";
import { openBunListener } from "../transport/bun/bun-listener.ts";
import { exactApp, type RouteHandler } from "../transport/bun/exact-app.ts";
import type { Listener } from "../transport/listener.ts";
import { requestReload } from "./request-reload.ts";
import { requestUpgrade } from "./request-upgrade.ts";
import { listStreams, revokeStreams, type StreamAdmin } from "./stream-admin.ts";

export interface AdminParts {
  readonly listen: ListenAddress;
  /** Host names that the `Host` header of a request may contain. IP addresses and `localhost` are always accepted. */
  readonly hosts: readonly string[];
  /** Returns the reasons why the gateway is not ready. The list is empty if the gateway is ready. */
  readonly notReady: () => readonly string[];
  /** Returns one JSON object for each worker process: its state. The function is `undefined` if the gateway is one process. */
  readonly workers?: (() => readonly object[]) | undefined;
  /** Returns the metrics in the Prometheus text format. */
  readonly renderMetrics: () => string | Promise<string>;
  readonly streams: StreamAdmin;
  /** Starts an upgrade; `undefined` if the gateway cannot be upgraded. */
  readonly upgrade?: ((of: UpgradeScope) => Promise<UpgradeOutcome>) | undefined;
  /** Reloads the configuration; `undefined` if the gateway cannot reload its configuration. */
  readonly reload?: (() => Promise<ReloadOutcome>) | undefined;
}

const ADMIN_BODY_BYTES_MAX = 16 * 1024;
const IDLE_TIMEOUT_SECONDS = 30;

/**
 * Opens the HTTP listener for operators. It has no authentication and must not be reachable from the internet.
 *
 * Its paths are `/healthz` (the process is alive), `/readyz` (the gateway can take traffic), `/metrics`, `/streams`,
 * `/revoke`, `/reload` and `/upgrade`.
 */
export function openAdmin(parts: AdminParts): Listener {
  const { listen, hosts } = parts;
  const pages = new PageGuard([...hosts, listen.host]);
  const guarded = (answer: RouteHandler): RouteHandler => {
    return (request, server) => {
      pages.check(request.headers);
      return answer(request, server);
    };
  };
  const routes = Object.entries(adminRoutes(parts)).map(([path, answer]) => [path, guarded(answer)] as const);
  const exact = {
    routes: Object.fromEntries(routes),
    otherwise: guarded(() => new RestError("not_found").toResponse()),
    failed: (error: unknown) => toRestError(error).toResponse(),
  };
  return openBunListener((reuse) => exactApp(exact, reuse), {
    what: "the admin listener",
    listen,
    bodyBytesMax: ADMIN_BODY_BYTES_MAX,
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
  });
}

function adminRoutes({
  notReady,
  workers,
  renderMetrics,
  streams,
  upgrade,
  reload,
}: AdminParts): Readonly<Record<string, RouteHandler>> {
  const metricsHeaders = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
  return {
    "/healthz": only(READ, () => jsonReply(200, { status: "ok" })),
    "/readyz": only(READ, () => {
      const reasons = notReady();
      const state = reasons.length === 0 ? { status: "ready" } : { status: "not ready", reasons };
      return jsonReply(reasons.length === 0 ? 200 : 503, { ...state, workers: workers?.() });
    }),
    "/metrics": only(READ, async () => new Response(await renderMetrics(), { headers: metricsHeaders })),
    "/streams": only(READ, (request) => listStreams(request, streams)),
    "/revoke": only(["POST"], (request) => revokeStreams(request, streams)),
    "/reload": only(["POST"], (request, server) => requestReload(request, server, reload)),
    "/upgrade": only(["POST"], (request, server) => requestUpgrade(request, server, upgrade)),
  };
}

function toRestError(error: unknown): RestError {
  if (error instanceof ForeignPageError) return new RestError("forbidden", error.message);
  return error instanceof RestError ? error : new RestError("internal");
}

const READ = ["GET", "HEAD"];

function only(methods: readonly string[], answer: RouteHandler): RouteHandler {
  return (request, server) => {
    if (methods.includes(request.method)) return answer(request, server);
    throw new RestError("method_not_allowed", undefined, { allow: methods.join(", ") });
  };
}
