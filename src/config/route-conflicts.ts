import { effectiveBody, type PatternSegment, parseTemplate, type RouteTemplate } from "../core/route-template.ts";
import type { ValueProblem } from "./decoder.ts";
import type { RouteConfig } from "./route-config.ts";

/**
 * Returns the conflicts between routes. A conflict is a message type that occurs twice, or two routes with the same backend call
 * that map the payload in different ways.
 */
export function tableProblems(routes: readonly RouteConfig[]): readonly ValueProblem[] {
  const types = new Set<string>();
  const byCall = new Map<string, RouteConfig>();
  return routes.flatMap((route, index) => {
    const { message_type } = route;
    if (types.has(message_type)) {
      return [{ at: [index, "message_type"], text: `got "${message_type}" a second time, expected each once` }];
    }
    types.add(message_type);
    const call = callShape(route);
    const earlier = byCall.get(call);
    if (earlier === undefined) byCall.set(call, route);
    if (earlier === undefined || mapping(earlier) === mapping(route)) return [];
    return [{ at: [index], text: `${message_type} conflicts with ${earlier.message_type}: ${CONFLICT}` }];
  });
}

/** A route that makes the same backend calls as another route, but without some of its bounds. */
export interface UnboundedTwin {
  readonly index: number;
  readonly messageType: string;
  /** The message type of the other route. */
  readonly bounded: string;
  readonly missing: readonly Bound[];
}

const BOUNDS = ["schema", "budget", "payload_bytes_max"] as const;
type Bound = (typeof BOUNDS)[number];

/** Returns the routes by which a client can avoid the bounds of another route with the same method and path. */
export function unboundedTwins(routes: readonly RouteConfig[]): readonly UnboundedTwin[] {
  const byCall = Map.groupBy(routes.entries(), ([, route]) => callShape(route));
  return [...byCall.values()].flatMap((twins) => twins.flatMap(([index, route]) => twinOf(index, route, twins) ?? []));
}

function twinOf(
  index: number,
  route: RouteConfig,
  twins: readonly (readonly [number, RouteConfig])[],
): UnboundedTwin | undefined {
  for (const [, { message_type: bounded, ...other }] of twins) {
    const missing = BOUNDS.filter((bound) => other[bound] !== undefined && route[bound] === undefined);
    if (missing.length > 0) return { index, messageType: route.message_type, bounded, missing };
  }
  return undefined;
}

const CONFLICT =
  "both have this method and path, but map the payload in different ways; expected one of them, or the same mapping";

/**
 * Returns the method, and the path with wildcards instead of named variables. Routes with the same shape can make the same
 * backend calls.
 */
function callShape({ method, path }: RouteConfig): string {
  return `${method} ${shapeOf(parseTemplate(path))}`;
}

function shapeOf({ parts, verb }: RouteTemplate): string {
  const segments = parts.flatMap((part) => ("text" in part ? [part.text] : part.pattern.map(shapeOfSegment)));
  return `/${segments.join("/")}${verb === undefined ? "" : `:${verb}`}`;
}

function shapeOfSegment(segment: PatternSegment): string {
  return typeof segment === "string" ? segment : segment.text;
}

/** Returns a text that is equal for two routes if they map the payload to the backend call in the same way. */
function mapping(route: RouteConfig): string {
  const { path, response_body, request = "json", response = "json" } = route;
  return JSON.stringify([parseTemplate(path), request === "raw" ? [] : fieldMapping(route), response_body, request, response]);
}

/**
 * Returns two values: which fields of a JSON payload are the body, and whether the query may contain objects. The second value is
 * left out if no field goes into the query.
 */
function fieldMapping(route: RouteConfig): readonly unknown[] {
  const effective = effectiveBody(route);
  return effective === "*" ? [effective] : [effective, route.body !== undefined];
}
