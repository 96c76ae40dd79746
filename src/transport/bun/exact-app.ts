import { type AnyElysia, Elysia } from "elysia";
import { RestError } from "../../core/rest-reply.ts";
import { isHostField } from "../host-field.ts";
import { discardUnread } from "./discard-unread.ts";
import { pathOf } from "./request-url.ts";

/** Bun.serve's server object; `null` if `Bun.serve` did not accept the request. */
export type AppServer = AnyElysia["server"];
export type RouteHandler = (request: Request, server: AppServer) => Response | Promise<Response>;

/** Paths that can change while the application runs, such as the paths of public routes. */
export interface ChangingPaths {
  /** Maximum number of segments of a path. */
  readonly segmentsMax: number;
  /** `path` is the path as received. Returns `undefined` if the path has no handler. */
  answer(request: Request, path: string, server: AppServer): Response | Promise<Response> | undefined;
}

/** The state that a listener shares with its application. The listener sets `isOver`, and the application counts `requests`. */
export interface ConnectionReuse {
  /** If true, each HTTP/1.1 response gets `Connection: close`. */
  isOver: boolean;
  /** The number of requests that the application has received. */
  requests: number;
}

export interface ExactRoutes {
  /** Maps a path to its handler. The handler gets requests of all HTTP methods. */
  readonly routes: Readonly<Record<string, RouteHandler>>;
  /** Further paths. A path of `routes` takes precedence. Default: none. */
  readonly changing?: ChangingPaths | undefined;
  /**
   * Answers requests that match no route. Bun normalises the path in `request.url`. So this path may equal the path of a route,
   * although the received path does not.
   */
  readonly otherwise: RouteHandler;
  /** Returns the response for an error that a handler throws. */
  readonly failed: (error: unknown) => Response;
}

/**
 * Creates an Elysia application whose routes match the request target byte for byte.
 *
 * - Bun.serve's router (`routes`) compares the target as received, over HTTP/1.1 and HTTP/2. If the target is in absolute form (RFC
 *   9112 3.2.2), the router compares the path of the target.
 * - Elysia's router reads `request.url`. In this URL, Bun has resolved dot segments and replaced backslashes by slashes. Elysia's
 *   router also assumes a minimum length of the host.
 *
 * So Bun's router matches the paths of `routes`. For the paths of `changing`, it has one route per number of segments, and
 * `receivedPath` restores the path as received. Elysia gets only the requests that Bun's router does not match at all.
 */
export function exactApp({ routes, changing, otherwise, failed }: ExactRoutes, reuse: ConnectionReuse): AnyElysia {
  const last = (handler: RouteHandler) => lastOnConnection(handler, reuse);
  const wrapped = Object.entries(routes).map(([path, handler]) => [path, last(wrap(handler, failed))] as const);
  const byLength = changing === undefined ? [] : lengthRoutes(changing, otherwise, failed);
  const lastByLength = byLength.map(([path, handler]) => [path, last(handler)] as const);
  const fallback = last(wrap(otherwise, failed));
  const app = new Elysia({ serve: { routes: Object.fromEntries([...wrapped, ...lastByLength]) } });
  app.all("/*", ({ request, server }) => fallback(request, server), { parse: "none" });
  // If a request has no host, Elysia finds no path in `request.url` and reports NOT_FOUND.
  app.onError(({ request, error, code }) => (code === "NOT_FOUND" ? fallback(request, app.server) : failed(error)));
  return app;
}

/** Returns one route of Bun's router for each number of segments, such as `/:s0/:s1` for two segments. */
function lengthRoutes(changing: ChangingPaths, otherwise: RouteHandler, failed: ExactRoutes["failed"]) {
  const handler = wrap((request, server) => {
    const path = receivedPath(request);
    return (path === undefined ? undefined : changing.answer(request, path, server)) ?? otherwise(request, server);
  }, failed);
  const segments = Array.from({ length: changing.segmentsMax }, (_, index) => `/:s${index}`);
  return segments.map((_, index) => [segments.slice(0, index + 1).join(""), handler] as const);
}

/**
 * Returns the path as received, for a request that a route of `lengthRoutes` matched. Bun gives the path in two forms: the segments
 * in `params` are decoded, and the path in `url` is normalised. If both forms are equal, neither step has changed the path, so Bun
 * received this path. If the forms differ, returns `undefined`.
 */
function receivedPath(request: Request & { readonly params?: Readonly<Record<string, string>> }): string | undefined {
  const { params = {} } = request;
  const path = Object.values(params)
    .map((segment) => `/${segment}`)
    .join("");
  return path === pathOf(request.url) ? path : undefined;
}

/** Answers a request that `Bun.serve` did not accept. `path` is the path as received. */
export function answerExact(
  { routes, changing, otherwise, failed }: ExactRoutes,
  request: Request,
  path: string,
): Response | Promise<Response> {
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  const unlisted: RouteHandler = (each, server) => changing?.answer(each, path, server) ?? otherwise(each, server);
  return wrap(route ?? unlisted, failed)(request, null);
}

/**
 * Adds `Connection: close` to each response if the connection must not be reused. Bun then closes an HTTP/1.1 connection after the
 * response. Over HTTP/2, Bun does not send this header.
 */
function lastOnConnection(handler: RouteHandler, reuse: ConnectionReuse): RouteHandler {
  const mark = (response: Response) => {
    // Reads `isOver` after the handler has answered, because `isOver` may change during a call.
    if (reuse.isOver) response.headers.set("connection", "close");
    return response;
  };
  const send = (request: Request, response: Response) => {
    const discarded = discardUnread(request);
    return discarded === undefined ? mark(response) : discarded.then(() => mark(response));
  };
  return (request, server) => {
    reuse.requests++;
    const response = handler(request, server);
    return response instanceof Promise ? response.then((answer) => send(request, answer)) : send(request, response);
  };
}

function wrap(handler: RouteHandler, failed: (error: unknown) => Response): RouteHandler {
  return (request, server) => {
    try {
      if (!isHostField(request.headers.get("host"))) return new RestError("invalid_request", "the Host field").toResponse();
      const response = handler(request, server);
      return response instanceof Promise ? response.catch(failed) : response;
    } catch (error) {
      return failed(error);
    }
  };
}
