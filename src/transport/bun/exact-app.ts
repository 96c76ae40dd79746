import { type AnyElysia, Elysia } from "elysia";
import { RestError } from "../../core/rest-reply.ts";
import { isHostField } from "../host-field.ts";

/** Bun.serve's server object; `null` if another listener accepted the request. */
export type AppServer = AnyElysia["server"];
export type RouteHandler = (request: Request, server: AppServer) => Response | Promise<Response>;

export interface ExactRoutes {
  /** Maps a path to its handler. The handler gets requests of all HTTP methods. */
  readonly routes: Readonly<Record<string, RouteHandler>>;
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
 * - Bun.serve's router (`routes`) compares the target as received, over HTTP/1.1 and HTTP/2. If the target is in absolute form
 *   (RFC 9112 3.2.2), the router compares the path of the target.
 * - Elysia's router reads `request.url`. In this URL, Bun has resolved dot segments and replaced backslashes by slashes.
 *   Elysia's router also assumes a minimum length of the host.
 *
 * So Bun's router matches the routes. Elysia gets only the requests that match no route.
 */
export function exactApp({ routes, otherwise, failed }: ExactRoutes): AnyElysia {
  const wrapped = Object.entries(routes).map(([path, handler]) => [path, wrap(handler, failed)] as const);
  const fallback = wrap(otherwise, failed);
  const app = new Elysia({ serve: { routes: Object.fromEntries(wrapped) } });
  app.all("/*", ({ request, server }) => fallback(request, server), { parse: "none" });
  // If a request has no host, Elysia finds no path in `request.url` and reports NOT_FOUND.
  app.onError(({ request, error, code }) => (code === "NOT_FOUND" ? fallback(request, app.server) : failed(error)));
  return app;
}

/** Answers a request that another listener accepted. `path` is the path as received. */
export function answerExact(
  { routes, otherwise, failed }: ExactRoutes,
  request: Request,
  path: string,
): Response | Promise<Response> {
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return wrap(route ?? otherwise, failed)(request, null);
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
