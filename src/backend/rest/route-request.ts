import { checkPayload, elementsOf, type JsonMember, readMembers } from "./json-members.ts";
import { scalarText } from "./path-template.ts";
import { payloadInvalid } from "./payload-invalid.ts";
import type { CompiledRoute } from "./route-table.ts";

/** Where a payload goes in the call of a route. */
export interface RouteRequest {
  /** Path and query, encoded. */
  readonly target: string;
  readonly body: Uint8Array | string | undefined;
}

/** HTTP servers commonly take 8 KiB of request line. */
const TARGET_CHARS_MAX = 8000;

/**
 * Lays a payload out over the route's call. Fields that the path names go there and nowhere else; GET and DELETE carry the others
 * as their query. POST, PUT and PATCH carry the payload exactly as it was signed, or, where the path took fields, the text of the
 * other fields. An empty payload is `{}`. Whatever the method, the payload is JSON that every parser reads alike.
 */
export function routeRequest(route: CompiledRoute, payloadBytes: Uint8Array): RouteRequest {
  const inBody = route.method !== "GET" && route.method !== "DELETE";
  if (inBody && route.path.fields.size === 0) {
    checkPayload(payloadBytes);
    return { target: route.path.expand(new Map()), body: payloadBytes.byteLength === 0 ? "{}" : payloadBytes };
  }
  const members = readMembers(payloadBytes);
  const path = route.path.expand(members);
  const others = members.size === 0 ? [] : [...members].filter(([name]) => !route.path.fields.has(name));
  const target = inBody ? path : path + query(others);
  if (target.length > TARGET_CHARS_MAX) throw payloadInvalid("payload");
  return { target, body: inBody ? objectText(others) : undefined };
}

function objectText(members: [string, JsonMember][]): string {
  return `{${members.map(([, { nameSource, source }]) => `${nameSource}:${source}`).join(",")}}`;
}

function query(members: [string, JsonMember][]): string {
  if (members.length === 0) return "";
  const pairs = members.flatMap(([name, { source }]) =>
    queryValues(name, source).map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  );
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

/** A scalar once, an array of scalars once for each, null not at all. */
function queryValues(name: string, source: string): string[] {
  if (source === "null") return [];
  const sources = source.startsWith("[") ? elementsOf(source) : [source];
  return sources.map((each) => {
    const text = scalarText(each);
    if (text === undefined) throw payloadInvalid(name);
    return text;
  });
}
