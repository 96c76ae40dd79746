import { payloadInvalid } from "../../core/refusal.ts";
import { checkPayload, elementsOf, type JsonMember, readMembers } from "./json-members.ts";
import { scalarText } from "./path-template.ts";
import type { CompiledRoute } from "./route-table.ts";

/** The target (path and query) and the body of the HTTP request for one command. */
export interface RouteRequest {
  /** Path and query, percent-encoded. */
  readonly target: string;
  readonly body: Uint8Array | string | undefined;
}

/** Maximum length of a request target (path and query). Many HTTP servers limit the whole request line to 8 KiB. */
const TARGET_CHARS_MAX = 8000;

/**
 * Converts the payload of a command to the HTTP request of its route.
 *
 * - A field that is a placeholder in the path is sent only in the path.
 * - GET and DELETE send all other fields as the query.
 * - POST, PUT and PATCH to a path without placeholders send the payload byte for byte as the client signed it.
 * - POST, PUT and PATCH to a path with placeholders send a JSON object of the other fields. The client's JSON text of each name
 *   and value is unchanged.
 * - POST, PUT and PATCH send an empty payload as `{}`.
 *
 * Throws PAYLOAD_INVALID if `checkPayload` rejects the payload, or if its fields do not fit into the path or the query.
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

/**
 * Converts one payload field to query values. `source` is the field's JSON text.
 *
 * - A string, number or boolean gives one value.
 * - An array gives one value for each element.
 * - Null gives no value.
 *
 * Throws PAYLOAD_INVALID for an object. Each array element must be a string, number or boolean.
 */
function queryValues(name: string, source: string): string[] {
  if (source === "null") return [];
  const sources = source.startsWith("[") ? elementsOf(source) : [source];
  return sources.map((each) => {
    const text = scalarText(each);
    if (text === undefined) throw payloadInvalid(name);
    return text;
  });
}
