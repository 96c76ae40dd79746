import { cors } from "@connectrpc/connect";

/** Request headers that browser clients may send in addition to `cors.allowedHeaders` of Connect. */
const OWN_ALLOWED = ["traceparent", "tracestate", "grpc-encoding", "grpc-accept-encoding"];
/** Response headers that browser clients may read in addition to `cors.exposedHeaders` of Connect. */
const OWN_EXPOSED = [
  ...["grpc-encoding", "retry-after", "ratelimit", "ratelimit-policy", "accept-post", "allow"],
  "idempotent-replayed",
];

const ALLOWED_METHODS = ["GET", "POST"];
const ALLOWED_HEADERS = [...cors.allowedHeaders, ...OWN_ALLOWED].join(", ");
const EXPOSED_HEADERS = [...cors.exposedHeaders, ...OWN_EXPOSED];

export interface CorsOptions {
  /**
   * Allowed origins, spelled as in the Origin header of browsers. `*` allows all origins. If the list is empty, CORS is off.
   */
  readonly origins: readonly string[];
  readonly maxAgeSeconds: number;
}

/** HTTP methods and response headers that one endpoint allows in addition to `ALLOWED_METHODS` and `EXPOSED_HEADERS`. */
export interface CorsAdditions {
  readonly methods?: readonly string[] | undefined;
  readonly exposedHeaders?: readonly string[] | undefined;
}

/**
 * CORS for pages of other origins (Fetch standard, "CORS protocol"; connectrpc.com/docs/cors). Without configured origins,
 * responses have no CORS headers.
 *
 * Credentials such as cookies are never allowed. The gateway does not need them, because requests are signed.
 */
export class Cors {
  #origins: ReadonlySet<string> = new Set();
  #maxAge = "";

  constructor(options: CorsOptions) {
    this.adopt(options);
  }

  adopt({ origins, maxAgeSeconds }: CorsOptions): void {
    this.#origins = new Set(origins);
    this.#maxAge = String(maxAgeSeconds);
  }

  /**
   * Answers a preflight request itself. Passes any other request to `serve`. Adds CORS headers to the response if the origin is
   * allowed.
   */
  answer(
    request: Request,
    serve: () => Response | Promise<Response>,
    { methods = [], exposedHeaders = [] }: CorsAdditions = {},
  ): Response | Promise<Response> {
    if (this.#origins.size === 0) return serve();
    const isPreflight = request.method === "OPTIONS" && request.headers.has("access-control-request-method");
    return isPreflight ? this.#preflight(request, methods) : this.#expose(request, serve, exposedHeaders);
  }

  #preflight(request: Request, methods: readonly string[]): Response {
    const headers = new Headers({ vary: "origin, access-control-request-method, access-control-request-headers" });
    const origin = this.#allowed(request);
    if (origin !== undefined) {
      headers.set("access-control-allow-origin", origin);
      headers.set("access-control-allow-methods", [...new Set([...ALLOWED_METHODS, ...methods])].join(", "));
      headers.set("access-control-allow-headers", ALLOWED_HEADERS);
      headers.set("access-control-max-age", this.#maxAge);
    }
    return new Response(null, { status: 204, headers });
  }

  async #expose(request: Request, serve: () => Response | Promise<Response>, exposed: readonly string[]): Promise<Response> {
    const response = await serve();
    response.headers.append("vary", "origin");
    const origin = this.#allowed(request);
    if (origin === undefined) return response;
    response.headers.set("access-control-allow-origin", origin);
    response.headers.set("access-control-expose-headers", [...EXPOSED_HEADERS, ...exposed].join(", "));
    return response;
  }

  #allowed(request: Request): string | undefined {
    const origin = request.headers.get("origin");
    if (origin === null) return undefined;
    if (this.#origins.has("*")) return "*";
    return this.#origins.has(origin) ? origin : undefined;
  }
}
