import type { BunRequest, Server } from "bun";
import { type ListenAddress, ListenError } from "../core/listen.ts";
import type { PageGuard } from "../core/page-guard.ts";
import type { Log } from "../core/telemetry.ts";
import { ApiError, type Endpoints } from "./api.ts";
import { answerApi, callHandler, errorResponse, type Handlers } from "./api-answer.ts";
import { REST_BODY_BYTES_MAX } from "./limits.ts";

/**
 * Idle timeout of a connection. If the timeout ends just when the gateway sends a request, the request fails. A long timeout
 * makes this rare.
 */
const IDLE_SECONDS_MAX = 120;

export interface RestParts {
  readonly endpoints: Endpoints;
  readonly pages: PageGuard;
  readonly log: Log;
}

/** Serves endpoints as JSON over HTTP. Throws `ListenError`. */
export function serveRest(listen: ListenAddress, { endpoints, pages, log }: RestParts): Server<undefined> {
  const guarded = (request: Request, answer: () => Response | Promise<Response>): Promise<Response> =>
    answerApi(log, () => {
      pages.check(request.headers);
      return answer();
    });
  const route = (handlers: Handlers) => (request: BunRequest) => {
    const { method, headers, params } = request;
    return guarded(request, () => callHandler(handlers, { method, headers, params, readText: () => request.text() }, log));
  };
  try {
    return Bun.serve({
      hostname: listen.host,
      port: listen.port,
      maxRequestBodySize: REST_BODY_BYTES_MAX,
      idleTimeout: IDLE_SECONDS_MAX,
      routes: Object.fromEntries(Object.entries(endpoints).map(([path, handlers]) => [path, route(handlers)])),
      fetch: (request) => guarded(request, notFound),
      error: (error) => errorResponse(error, log),
    });
  } catch (error) {
    throw new ListenError("the embedded backend's REST API", listen, error);
  }
}

function notFound(): never {
  throw new ApiError(404, "not_found", "unknown path");
}
