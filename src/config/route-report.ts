import { PUBLIC_BODY_BYTES_MAX } from "../core/limits.ts";
import { OCTET_STREAM } from "../core/media-type.ts";
import { hasBody, type PublicRouteEntry } from "../core/public-routes.ts";
import { effectiveBody, parseTemplate, variablesOf } from "../core/route-template.ts";
import { isObject } from "./decoder.ts";
import type { Resolution } from "./load.ts";
import { CALL_FIELDS } from "./route-call.ts";
import type { RouteConfig } from "./route-config.ts";
import type { Config, ConfigKey } from "./schema.ts";
import { originOf } from "./source.ts";

/** One route or public route with the values that apply to its calls. */
export interface ReportedRoute {
  /** The message type, or the name of a public route. */
  readonly name: string;
  readonly method: string;
  /** The path template of a route, or the path of a public route on the edge. */
  readonly path: string;
  /** The path at the backend: the path of the base URL, then the template. Paths of different base URLs are joined by ` or `. */
  readonly backend_path: string;
  /** How the payload is mapped to the call, such as `path: room_id; body: rest`. */
  readonly payload: string;
  readonly timeout_ms: number;
  /** Maximum size of the payload of a route, or of the body of a public route, in bytes. */
  readonly request_bytes_max: number;
  readonly response_bytes_max: number;
  /**
   * A route: its own budget, or `undefined` if it has none. A public route: its own budget, or the name of the shared budget that
   * applies, such as `public_auth`.
   */
  readonly budget: unknown;
  /** The fields of the route that the report does not show elsewhere, as they are written. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Where the route is written, such as `gateway.toml:12`. */
  readonly source: string;
}

/** The routes and the public routes, with the values that apply to their calls. */
export interface RouteReport {
  /** The base URLs of the backend. */
  readonly backend: readonly string[];
  readonly routes: readonly ReportedRoute[];
  readonly public_routes: readonly ReportedRoute[];
}

/** Fields of a row that `ReportedRoute.options` omits, because the report shows them elsewhere. */
const PLACED: ReadonlySet<string> = new Set([
  ...["message_type", "name", "method", "backend_path", "body", "response_body", "fields", "budget", "class"],
  ...["request", "response", "request_content_type", "response_content_type"],
  ...["timeout_ms", "payload_bytes_max", "body_bytes_max", "response_bytes_max", ...CALL_FIELDS],
]);

export function reportRoutes(resolution: Resolution): RouteReport {
  const { config } = resolution;
  const single = config["backend.url"];
  const backend = config.upstreams.length > 0 ? config.upstreams.map(({ url }) => url) : single === undefined ? [] : [single];
  const bases = [...new Set(backend.map((url) => new URL(url).pathname.replace(/\/$/, "")))];
  const below = (path: string) => (bases.length === 0 ? path : bases.map((base) => base + path).join(" or "));
  return {
    backend,
    routes: config.routes.map((route, index) => ({
      ...routeOf(route, config, below),
      ...writtenAt(resolution, "routes", index),
    })),
    public_routes: config.public_routes.map((row, index) => ({
      ...publicRouteOf(row, config, below),
      ...writtenAt(resolution, "public_routes", index),
    })),
  };
}

type Effective = Omit<ReportedRoute, "options" | "source">;

function routeOf(route: RouteConfig, config: Config, below: (path: string) => string): Effective {
  return {
    name: route.message_type,
    method: route.method,
    path: route.path,
    backend_path: below(route.path),
    payload: payloadOf(route),
    timeout_ms: route.timeout_ms ?? config["backend.timeout_ms"],
    request_bytes_max: route.payload_bytes_max ?? config["limits.payload_bytes_max"],
    response_bytes_max: route.response_bytes_max ?? config["backend.response_bytes_max"],
    budget: route.budget,
  };
}

/** Describes where each field of the payload goes, and where the answer goes. */
function payloadOf(route: RouteConfig): string {
  const { path, response_body, request, response } = route;
  const variables = variablesOf(parseTemplate(path)).map(({ field }) => field.join("."));
  const rawAnswer = response === "raw" ? [`answer: raw bytes${typeShown(route.response_content_type)}`] : [];
  if (request === "raw")
    return [`body: raw bytes${typeShown(route.request_content_type ?? OCTET_STREAM)}`, ...rawAnswer].join("; ");
  const inBody = effectiveBody(route);
  return [
    ...(variables.length > 0 ? [`path: ${variables.join(", ")}`] : []),
    ...(inBody === "" ? [] : [`body: ${inBody === "*" ? restAfter(variables) : inBody}`]),
    ...(inBody === "*" ? [] : [`query: ${restAfter(inBody === "" ? variables : [...variables, inBody])}`]),
    ...rawAnswer,
    ...(response_body === undefined ? [] : [`answer in: ${response_body}`]),
  ].join("; ");
}

function typeShown(contentType: string | undefined): string {
  return contentType === undefined ? "" : ` (${contentType})`;
}

function restAfter(named: readonly string[]): string {
  return named.length === 0 ? "all fields" : "rest";
}

function publicRouteOf(row: PublicRouteEntry, config: Config, below: (path: string) => string): Effective {
  const names = row.fields === undefined ? undefined : Object.keys(row.fields);
  const place = hasBody(row.method) ? "body" : "query";
  const fields = names === undefined ? (hasBody(row.method) ? "any fields" : "none") : names.join(", ");
  return {
    name: row.name ?? row.path,
    method: row.method,
    path: row.path,
    backend_path: below(row.backend_path ?? row.path),
    payload: `${place}: ${fields}`,
    timeout_ms: row.timeout_ms ?? config["backend.timeout_ms"],
    request_bytes_max: row.body_bytes_max ?? PUBLIC_BODY_BYTES_MAX,
    response_bytes_max: row.response_bytes_max ?? config["backend.response_bytes_max"],
    budget: row.budget ?? row.class ?? "public_auth",
  };
}

/** Returns the fields of a row that `PLACED` does not contain, and where the row is written. */
function writtenAt({ config, settings }: Resolution, key: ConfigKey & ("routes" | "public_routes"), index: number) {
  const setting = settings.get(key);
  const rows: unknown = setting === undefined ? config[key] : setting.raw;
  const row: unknown = Array.isArray(rows) ? rows[index] : undefined;
  const fields = isObject(row) ? Object.entries(row) : [];
  const options = fields.filter(([name, value]) => !PLACED.has(name) && value !== undefined && value !== null);
  return {
    options: Object.fromEntries(options),
    source: setting === undefined ? "default" : originOf(setting, [index]),
  };
}
