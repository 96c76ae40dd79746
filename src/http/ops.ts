import { Elysia } from "elysia";
import type { ListenAddress } from "../core/listen.ts";
import { ForeignPageError, PageGuard } from "../core/page-guard.ts";
import { type Listener, serveOn } from "./listener.ts";
import { listStreams, revokeStreams, type StreamOps } from "./ops-streams.ts";
import { jsonReply, RestError } from "./rest-reply.ts";

export interface OpsParts {
  readonly listen: ListenAddress;
  /** Names under which it may be asked, besides literal addresses and `localhost`. */
  readonly hosts: readonly string[];
  /** What keeps the gateway from being ready, in words; empty when it is. */
  readonly notReady: () => readonly string[];
  /** The metrics in Prometheus' text format. */
  readonly renderMetrics: () => string;
  readonly streams: StreamOps;
}

const OPS_BODY_BYTES_MAX = 16 * 1024;
const IDLE_TIMEOUT_SECONDS = 30;

/** Opens the admin listener: `/healthz` (the process lives), `/readyz` (send it traffic), `/metrics`, `/streams`, `/revoke`. For operators, not for the internet. */
export function openOps({ listen, hosts, notReady, renderMetrics, streams }: OpsParts): Listener {
  const pages = new PageGuard([...hosts, listen.host]);
  const metricsHeaders = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
  // As for the edge: without this, a host of three letters or fewer hides the path.
  const app = new Elysia({ handler: { standardHostname: false } })
    .onRequest(({ request }) => pages.check(request.headers))
    .get("/healthz", () => jsonReply(200, { status: "ok" }))
    .get("/readyz", () => {
      const reasons = notReady();
      return reasons.length === 0 ? jsonReply(200, { status: "ready" }) : jsonReply(503, { status: "not ready", reasons });
    })
    .get("/metrics", () => new Response(renderMetrics(), { headers: metricsHeaders }))
    .get("/streams", ({ request }) => listStreams(request, streams))
    .post("/revoke", ({ request }) => revokeStreams(request, streams), { parse: "none" })
    .all("/*", () => new RestError("not_found").toResponse(), { parse: "none" });
  app.onError(({ error }) => toRestError(error).toResponse());
  return serveOn(() => app, {
    what: "the admin listener",
    listen,
    bodyBytesMax: OPS_BODY_BYTES_MAX,
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
  });
}

function toRestError(error: unknown): RestError {
  if (error instanceof ForeignPageError) return new RestError("forbidden", error.message);
  return error instanceof RestError ? error : new RestError("internal");
}
