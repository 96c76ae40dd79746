import { type AnyElysia, Elysia } from "elysia";
import { RestError } from "../../core/rest-reply.ts";
import { isHostField } from "../host-field.ts";

/** The server of Bun.serve. `null` for a request from another listener. */
export type AppServer = AnyElysia["server"];
export type RouteHandler = (request: Request, server: AppServer) => Response | Promise<Response>;

export interface ExactRoutes {
  /** By path, for all methods. */
  readonly routes: Readonly<Record<string, RouteHandler>>;
  /** Answers all other targets. `request.url` is normalised, so its path may equal the path of a route. */
  readonly otherwise: RouteHandler;
  /** Turns an error that a route throws into a response. */
  readonly failed: (error: unknown) => Response;
}

/**
 * An Elysia application whose routes match the request target byte for byte.
 *
 * Bun.serve's router (`routes`) compares the target as received, over HTTP/1.1 and HTTP/2; of an absolute-form target (RFC 9112 3.2.2) it
 * compares the path. Elysia's router reads `request.url`, in which Bun has resolved dot segments and replaced backslashes by slashes, and
 * it assumes a minimum length of the host. So Elysia gets only requests that Bun's router did not match.
 */
export function exactApp({ routes, otherwise, failed }: ExactRoutes): AnyElysia {
  const wrapped = Object.entries(routes).map(([path, handler]) => [path, wrap(handler, failed)] as const);
  const fallback = wrap(otherwise, failed);
  const app = new Elysia({ serve: { routes: Object.fromEntries(wrapped) } });
  app.all("/*", ({ request, server }) => fallback(request, server), { parse: "none" });
  // Elysia finds no path in the URL of a request without a host.
  app.onError(({ request, error, code }) => (code === "NOT_FOUND" ? fallback(request, app.server) : failed(error)));
  return app;
}

/** Answers a request from another listener. `path`: the path as received. */
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
