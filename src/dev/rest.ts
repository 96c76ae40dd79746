import type { BunRequest, Server } from "bun";
import { isJsonObject } from "../core/json-body.ts";
import { type ListenAddress, ListenError } from "../core/listen.ts";
import { isJsonContent } from "../core/media-type.ts";
import { ForeignPageError, type PageGuard } from "../core/page-guard.ts";
import type { Log } from "../core/telemetry.ts";
import { ApiError, type ApiHandler, type ApiReply, badRequest, type Endpoints, type JsonObject } from "./api.ts";
import { REST_BODY_BYTES_MAX } from "./limits.ts";

/**
 * Idle timeout of a connection. If a connection is closed while the gateway sends a request, the request fails. A long timeout
 * makes this rare.
 */
const IDLE_SECONDS_MAX = 120;

type Handlers = Readonly<Record<string, ApiHandler>>;

export interface RestParts {
  readonly endpoints: Endpoints;
  readonly pages: PageGuard;
  readonly log: Log;
}

/** Serves endpoints as JSON over HTTP. Throws `ListenError`. */
export function serveRest(listen: ListenAddress, { endpoints, pages, log }: RestParts): Server<undefined> {
  const guarded = async (request: Request, answer: () => Response | Promise<Response>): Promise<Response> => {
    try {
      pages.check(request.headers);
      return await answer();
    } catch (error) {
      return toResponse(errorReply(error, log));
    }
  };
  const route = (handlers: Handlers) => (request: BunRequest) => guarded(request, () => callHandler(handlers, request, log));
  try {
    return Bun.serve({
      hostname: listen.host,
      port: listen.port,
      maxRequestBodySize: REST_BODY_BYTES_MAX,
      idleTimeout: IDLE_SECONDS_MAX,
      routes: Object.fromEntries(Object.entries(endpoints).map(([path, handlers]) => [path, route(handlers)])),
      fetch: (request) => guarded(request, notFound),
      error: (error) => toResponse(errorReply(error, log)),
    });
  } catch (error) {
    throw new ListenError("the embedded backend's REST API", listen, error);
  }
}

async function callHandler(handlers: Handlers, request: BunRequest, log: Log): Promise<Response> {
  const handler = handlers[request.method];
  if (handler === undefined) return methodNotAllowed(Object.keys(handlers), log);
  const body = request.method === "GET" ? {} : await readJson(request);
  return toResponse(handler({ headers: request.headers, params: request.params, body }));
}

function notFound(): never {
  throw new ApiError(404, "not_found", "unknown path");
}

async function readJson(request: Request): Promise<JsonObject> {
  if (!isJsonContent(request.headers.get("content-type"))) {
    throw new ApiError(415, "unsupported_media_type", "content-type must be application/json");
  }
  const text = await request.text().catch(() => {
    throw new ApiError(413, "body_too_large", `the body is incomplete or larger than ${REST_BODY_BYTES_MAX} bytes`);
  });
  const body = parseJson(text);
  if (!isJsonObject(body)) throw badRequest("the body must be a JSON object");
  return body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest("the body is not JSON");
  }
}

function methodNotAllowed(allowed: readonly string[], log: Log): Response {
  const response = toResponse(
    errorReply(new ApiError(405, "method_not_allowed", "the path does not support this method"), log),
  );
  response.headers.set("allow", allowed.join(", "));
  return response;
}

function errorReply(error: unknown, log: Log): ApiReply {
  if (error instanceof ApiError) return { status: error.status, body: { code: error.code, message: error.message } };
  if (error instanceof ForeignPageError) return { status: 403, body: { code: "forbidden", message: error.message } };
  log.error("embedded backend call failed", { error: String(error) });
  return { status: 500, body: { code: "internal", message: "an internal error occurred" } };
}

function toResponse(reply: ApiReply): Response {
  return Response.json(reply.body, { status: reply.status });
}
