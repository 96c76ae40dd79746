import { describeCause } from "../core/cause.ts";
import { isJsonObject, parseJson } from "../core/json-body.ts";
import { isJsonContent } from "../core/media-type.ts";
import { ForeignPageError } from "../core/page-guard.ts";
import type { Log } from "../core/telemetry.ts";
import { ApiError, type ApiHandler, type ApiReply, badRequest, type JsonObject } from "./api.ts";
import { REST_BODY_BYTES_MAX } from "./limits.ts";

/** Handlers by HTTP method. */
export type Handlers = Readonly<Record<string, ApiHandler>>;

/** A request to the REST API of the embedded backend, or to a development endpoint of the playground. */
export interface ApiRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly params: Readonly<Record<string, string>>;
  /** Reads the body. Rejects if the body is incomplete, or larger than `REST_BODY_BYTES_MAX`. */
  readonly readText: () => Promise<string>;
}

/** Runs `answer` and converts what it throws to an error answer. An unexpected error is logged and not sent. */
export async function answerApi(log: Log, answer: () => Response | Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    return errorResponse(error, log);
  }
}

/** Calls the handler of the request's method. Throws `ApiError`. */
export async function callHandler(handlers: Handlers, request: ApiRequest, log: Log): Promise<Response> {
  const { method, headers, params } = request;
  const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
  if (handler === undefined) return methodNotAllowed(Object.keys(handlers), log);
  const body = method === "GET" ? {} : await readJson(request);
  return toResponse(handler({ headers, params, body }));
}

export function errorResponse(error: unknown, log: Log): Response {
  return toResponse(errorReply(error, log));
}

async function readJson({ headers, readText }: ApiRequest): Promise<JsonObject> {
  if (!isJsonContent(headers.get("content-type"))) {
    throw new ApiError(415, "unsupported_media_type", "content-type must be application/json");
  }
  const text = await readText().catch(() => {
    throw new ApiError(413, "body_too_large", `the body is incomplete or larger than ${REST_BODY_BYTES_MAX} bytes`);
  });
  const body = parseJson(text);
  if (body === undefined) throw badRequest("the body is not JSON");
  if (!isJsonObject(body)) throw badRequest("the body must be a JSON object");
  return body;
}

function methodNotAllowed(allowed: readonly string[], log: Log): Response {
  const response = errorResponse(new ApiError(405, "method_not_allowed", "the path does not support this method"), log);
  response.headers.set("allow", allowed.join(", "));
  return response;
}

function errorReply(error: unknown, log: Log): ApiReply {
  if (error instanceof ApiError) return { status: error.status, body: { code: error.code, message: error.message } };
  if (error instanceof ForeignPageError) return { status: 403, body: { code: "forbidden", message: error.message } };
  log.error("unexpected error in embedded backend", { cause: describeCause(error) });
  return { status: 500, body: { code: "internal", message: "an internal error occurred" } };
}

function toResponse(reply: ApiReply): Response {
  return Response.json(reply.body, { status: reply.status });
}
