import { lenientSegment } from "../core/path-grammar.ts";
import type { PublicRouteEntry } from "../core/public-routes.ts";
import { type PatternSegment, parseTemplate } from "../core/route-template.ts";
import type { RouteConfig } from "./route-config.ts";
import type { Rule } from "./rule.ts";

/**
 * Refuses routes that can make one of these backend calls:
 * - The session look-up, because it returns user ids and keys.
 * - The backend call of a public route with `identity` or `registers_key`. The budgets of the public route protect this call,
 *   but a command would not spend these budgets.
 */
export const INTERNAL_CALL_RULE: Rule = {
  keys: ["routes", "public_routes", "backend.session_path"],
  violation({ routes, public_routes, "backend.session_path": sessionPath }) {
    return routes.flatMap((route, index) => {
      const why = whyInternal(route, public_routes, sessionPath);
      return why === undefined ? [] : [{ key: "routes" as const, at: [index], text: `${route.message_type} ${why}` }];
    });
  },
};

function whyInternal(route: RouteConfig, rows: readonly PublicRouteEntry[], sessionPath: string): string | undefined {
  // A route with a fixed id, such as /sessions/mine, is allowed. It cannot look up the session of another user.
  if (route.method === "GET" && reaches(route, segmentsOf(sessionPath)))
    return "can call backend.session_path, expected another path: every client could look sessions up";
  const row = rows.filter(isProtected).find(({ method, path, backend_path = path }) => {
    return method === route.method && reaches(route, segmentsOf(backend_path).map(anyIfVariable));
  });
  if (row === undefined) return undefined;
  return `can call the backend_path of the public route ${row.name ?? row.path}, expected another path: a command does not spend the budgets of that row`;
}

function isProtected({ identity, registers_key }: PublicRouteEntry): boolean {
  return identity !== undefined || registers_key === true;
}

function segmentsOf(path: string): readonly string[] {
  const segments = path.slice(1).split("/");
  return segments
    .map((segment) => (isVariable(segment) ? segment : lenientSegment(segment)))
    .filter((segment) => segment !== "");
}

/** Stands for a variable in a target path, because a variable can have any text. */
const ANY = Symbol("any");
type Target = readonly (string | typeof ANY)[];

function anyIfVariable(segment: string): string | typeof ANY {
  return isVariable(segment) ? ANY : segment;
}

function isVariable(segment: string): boolean {
  return segment.startsWith("{");
}

/** Returns true if some payload makes the route call the target path. */
function reaches({ path }: RouteConfig, target: Target): boolean {
  const { parts, verb } = parseTemplate(path);
  if (verb !== undefined) return false;
  const segments = parts.flatMap((part) => ("text" in part ? [part] : part.pattern));
  // Many servers ignore a slash at the end of a path, which is an empty segment here.
  return covers(segments.map(lenient).filter(isNotEmpty), target);
}

function lenient(segment: PatternSegment): PatternSegment {
  return typeof segment === "object" ? { text: lenientSegment(segment.text) } : segment;
}

function isNotEmpty(segment: PatternSegment): boolean {
  return typeof segment !== "object" || segment.text !== "";
}

function covers([first, ...rest]: readonly PatternSegment[], target: Target): boolean {
  if (first === undefined) return target.length === 0;
  if (first === "**") return target.some((_, index) => covers(rest, target.slice(index + 1)));
  const [segment, ...others] = target;
  if (segment === undefined) return false;
  return (first === "*" || segment === ANY || first.text === segment) && covers(rest, others);
}
