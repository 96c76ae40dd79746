import { type AnyElysia, Elysia } from "elysia";
import { RestError } from "../../core/rest-reply.ts";
import { isHostField } from "../host-field.ts";

/** Bun.serve's server; `null` for a request that came over another listener. */
export type AppServer = AnyElysia["server"];
export type Answer = (request: Request, server: AppServer) => Response | Promise<Response>;

export interface ExactRoutes {
  /** By path. Each answers every method. */
  readonly routes: Readonly<Record<string, Answer>>;
  /** Answers every other target. The request's URL is normalised, so its path may be equal to one of the routes'. */
  readonly otherwise: Answer;
  /** Answers what a route throws. */
  readonly failed: (error: unknown) => Response;
}

/**
 * An Elysia application whose routes match the request target byte for byte.
 *
 * Bun.serve's own router (`routes`) compares the target as received, over HTTP/1.1 and HTTP/2; of an absolute-form target (RFC 9112
 * 3.2.2) it compares the path. Elysia's router reads `request.url`, in which Bun has resolved dot segments and turned backslashes into
 * slashes, and it looks for the path behind a minimal length of host. So Elysia gets only what Bun's router did not match.
 */
export function exactApp({ routes, otherwise, failed }: ExactRoutes): AnyElysia {
  const guarded = Object.entries(routes).map(([path, answer]) => [path, guard(answer, failed)] as const);
  const rest = guard(otherwise, failed);
  const app = new Elysia({ serve: { routes: Object.fromEntries(guarded) } });
  app.all("/*", ({ request, server }) => rest(request, server), { parse: "none" });
  // Elysia finds no path in the URL of a request without a host.
  app.onError(({ request, error, code }) => (code === "NOT_FOUND" ? rest(request, app.server) : failed(error)));
  return app;
}

/** Answers a request whose target is known as received, without a port. */
export function answerExact(
  { routes, otherwise, failed }: ExactRoutes,
  request: Request,
  path: string,
): Response | Promise<Response> {
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return guard(route ?? otherwise, failed)(request, null);
}

function guard(answer: Answer, failed: (error: unknown) => Response): Answer {
  return (request, server) => {
    try {
      if (!isHostField(request.headers.get("host"))) return new RestError("invalid_request", "the Host field").toResponse();
      const response = answer(request, server);
      return response instanceof Promise ? response.catch(failed) : response;
    } catch (error) {
      return failed(error);
    }
  };
}
