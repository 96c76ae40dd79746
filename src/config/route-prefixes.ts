import { isMessageType } from "../core/grammar.ts";
import { parseTemplate, type RouteTemplate } from "../core/route-template.ts";
import { isObject } from "./decoder.ts";
import { keyShown } from "./problem.ts";
import { CALL_FIELDS } from "./route-call.ts";
import { originOf, type RawSetting } from "./source.ts";

/**
 * Returns a problem for each route whose path is below none of `backend.route_prefixes`. Reads the routes as they are written,
 * so that a route with another problem is checked too.
 */
export function prefixProblems(routes: RawSetting | undefined, prefixes: readonly string[]): readonly string[] {
  if (routes === undefined || !Array.isArray(routes.raw)) return [];
  return routes.raw.flatMap((route: unknown, index) => {
    if (!isObject(route)) return [];
    return CALL_FIELDS.flatMap((field) => {
      const path = route[field];
      if (typeof path !== "string" || prefixes.some((prefix) => isBelow(path, prefix))) return [];
      const at = [index, field];
      return [
        `${keyShown("routes", at)} (${originOf(routes, at)}): ${nameOf(route)}the path is not below ${prefixes.join(" or ")}, expected such a path, or its prefix in backend.route_prefixes`,
      ];
    });
  });
}

function nameOf({ message_type: type }: Readonly<Record<string, unknown>>): string {
  return typeof type === "string" && isMessageType(type) ? `${type}: ` : "";
}

/**
 * Returns true if every path that the template can give starts with the prefix and is longer than it. Also returns true for an
 * invalid template, because the decoder reports it.
 */
function isBelow(path: string, prefix: string): boolean {
  const template = templateOf(path);
  if (template === undefined) return true;
  const segments = template.parts.flatMap((part) => ("text" in part ? [part] : part.pattern));
  const wildcard = segments.findIndex((segment) => typeof segment === "string");
  const texts = segments
    .slice(0, wildcard < 0 ? segments.length : wildcard)
    .map((segment) => (typeof segment === "string" ? "" : segment.text));
  const plain = ["", ...texts, ...(wildcard < 0 ? [] : [""])].join("/");
  return plain.startsWith(prefix) && (wildcard >= 0 || plain.length > prefix.length);
}

function templateOf(path: string): RouteTemplate | undefined {
  try {
    return parseTemplate(path);
  } catch {
    return undefined;
  }
}
