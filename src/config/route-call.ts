import { parseTemplate, type RouteTemplate, variablesOf } from "../core/route-template.ts";
import type { Decoded, ValueProblem } from "./decoder.ts";
import { rawProblem } from "./raw-route-problems.ts";
import { METHODS, type RouteConfig, type RouteMethod, type WrittenRoute } from "./route-config.ts";

/** The fields of google.api.http. Each of them gives both the method and the path of a call. */
const VERBS = { get: "GET", put: "PUT", post: "POST", patch: "PATCH", delete: "DELETE" } as const;
type Verb = keyof typeof VERBS;
export const VERB_NAMES: readonly Verb[] = ["get", "put", "post", "patch", "delete"];

/** The fields whose value is a path. */
export const CALL_FIELDS = ["path", ...VERB_NAMES] as const;

/**
 * Returns a problem if a route does not give its method and its path exactly once. `raw` is the route as it is written.
 *
 * `hasOthers`: the route has other problems. Missing fields are then not reported, because a misspelt field may be the cause.
 */
export function problemOfCall(raw: Readonly<Record<string, unknown>>, hasOthers: boolean): ValueProblem | undefined {
  const isGiven = (name: string) => raw[name] !== undefined && raw[name] !== null;
  const [verb, ...more] = VERB_NAMES.filter(isGiven);
  if (more.length > 0) return { at: [], text: `${verb} and ${more.join(", ")} are given, expected one of them` };
  const [other] = ["method", "path"].filter(isGiven);
  if (verb !== undefined)
    return other === undefined ? undefined : { at: [], text: `${verb} is given with ${other}, expected only ${verb}` };
  if (other === undefined) {
    if (hasOthers) return undefined;
    return { at: [], text: "method and path are missing, expected both, or one of get, put, post, patch and delete" };
  }
  if (!isGiven("method")) return { at: ["method"], text: `got nothing, expected one of ${METHODS.join(", ")}` };
  return isGiven("path") ? undefined : { at: ["path"], text: "got nothing, expected the path of the backend's call" };
}

/** Checks a route for which `problemOfCall` returned `undefined`, and converts it to method and path. */
export function routeOf(written: WrittenRoute): Decoded<RouteConfig> {
  const call = callOf(written);
  const problem =
    bodyProblem(written, call.method, parseTemplate(call.path)) ??
    retryProblem(written, call.method) ??
    rawProblem(written, call.method, call.path);
  return problem === undefined ? { ok: true, value: normalized(written, call) } : { ok: false, problems: [problem] };
}

interface Call {
  readonly method: RouteMethod;
  readonly path: string;
  /** Name of the field that contains the path: either `path` or a field of google.api.http, such as `get`. */
  readonly field: "path" | Verb;
}

function callOf(written: WrittenRoute): Call {
  const verb = VERB_NAMES.find((name) => written[name] !== undefined);
  if (verb !== undefined) return { method: VERBS[verb], path: written[verb] ?? "", field: verb };
  return { method: written.method ?? "GET", path: written.path ?? "", field: "path" };
}

/**
 * Converts a route to method and path. A route with a field of google.api.http, such as `get`, has no body by default, unless
 * its payload is raw. Every other route has the default of `RouteConfig.body`.
 */
function normalized(written: WrittenRoute, { method, path, field }: Call): RouteConfig {
  const { get: _get, put: _put, post: _post, patch: _patch, delete: _delete, method: _method, path: _path, ...rest } = written;
  if (field === "path" || rest.request === "raw") return { ...rest, method, path };
  return { body: "", ...rest, method, path };
}

/**
 * Returns a problem if a POST or PATCH has retries without `keep_answer_ms`, because the backend could execute the call twice.
 */
function retryProblem({ retries_max = 0, keep_answer_ms }: WrittenRoute, method: RouteMethod): ValueProblem | undefined {
  if (retries_max === 0 || keep_answer_ms !== undefined || (method !== "POST" && method !== "PATCH")) return undefined;
  const text = `a ${method} is not repeated without keep_answer_ms, because it could run twice; expected 0, or keep_answer_ms`;
  return { at: ["retries_max"], text };
}

function bodyProblem({ body }: WrittenRoute, method: RouteMethod, template: RouteTemplate): ValueProblem | undefined {
  if (body === undefined || body === "") return undefined;
  if (method === "GET") {
    return { at: ["body"], text: "a GET has no body, expected no body; the fields that the path does not use are the query" };
  }
  const isInPath = variablesOf(template).some(({ field: [first] }) => first === body);
  return isInPath ? { at: ["body"], text: `${body} is also a variable of the path, expected another field` } : undefined;
}
