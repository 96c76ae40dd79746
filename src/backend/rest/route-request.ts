import { payloadInvalid } from "../../core/refusal.ts";
import { checkPayload, elementsOf, type JsonMember, readMembers } from "./json-members.ts";
import { scalarText } from "./path-template.ts";
import type { CompiledRoute } from "./route-table.ts";

/** The HTTP request line target and body of one command. */
export interface RouteRequest {
  /** Path and query, percent-encoded. */
  readonly target: string;
  readonly body: Uint8Array | string | undefined;
}

/** HTTP servers commonly accept request lines of at most 8 KiB. */
const TARGET_CHARS_MAX = 8000;

/**
 * Maps a payload to the route's HTTP request. Fields that the path names go into the path only. GET and DELETE send the other fields as
 * the query. POST, PUT and PATCH send the payload byte for byte as it was signed; if the path uses fields, they send the JSON text of the
 * others. An empty payload is sent as `{}`. Throws PAYLOAD_INVALID unless the payload is JSON that all parsers read alike.
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

/** The query values of one field: one for a scalar, one per element of an array of scalars, none for null. */
function queryValues(name: string, source: string): string[] {
  if (source === "null") return [];
  const sources = source.startsWith("[") ? elementsOf(source) : [source];
  return sources.map((each) => {
    const text = scalarText(each);
    if (text === undefined) throw payloadInvalid(name);
    return text;
  });
}
