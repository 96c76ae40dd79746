import { payloadInvalid, refuse } from "../../core/refusal.ts";
import { checkPayload, type JsonMembers, objectText, readMembers, without } from "./json-members.ts";
import { queryText } from "./query.ts";
import type { CompiledRoute } from "./route-table.ts";
import { checkSchema } from "./schema-check.ts";

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
 * - A field that is a variable of the path is sent only in the path.
 * - With `body: "*"`, the other fields are the body. If the path has no variables, the body is the payload, byte for byte as the
 *   client signed it. An empty payload is sent as `{}`.
 * - If `body` names a field, the value of this field is the body, and the other fields are the query.
 * - If `body` is empty, there is no body, and the other fields are the query.
 * - A raw payload is the body, byte for byte and without any check.
 *
 * The client's JSON text of each name and value is unchanged.
 *
 * Throws REQUEST_TOO_LARGE if the payload is too large for the route. Such a payload is not parsed. Throws PAYLOAD_INVALID if
 * `checkPayload` or the schema of the route rejects the payload, or if its fields do not fit into the path, the query or the body.
 */
export function routeRequest(route: CompiledRoute, payloadBytes: Uint8Array): RouteRequest {
  const { path, body, schema, payloadBytesMax = Number.POSITIVE_INFINITY } = route;
  if (payloadBytes.byteLength > payloadBytesMax)
    throw refuse("REQUEST_TOO_LARGE", { metadata: { limit_bytes: String(payloadBytesMax) } });
  if (route.rawType !== undefined) return { target: path.expand(new Map()), body: payloadBytes };
  if (schema !== undefined) checkSchema(schema, payloadBytes);
  if (body === "*" && path.fields.size === 0) {
    checkPayload(payloadBytes);
    return { target: path.expand(new Map()), body: payloadBytes.byteLength === 0 ? "{}" : payloadBytes };
  }
  const members = readMembers(payloadBytes);
  const expanded = path.expand(members);
  const others = without(members, path.fieldPaths);
  if (body === "*") return { target: bounded(expanded), body: objectText(others) };
  const inBody = body === "" ? undefined : bodyField(others, body);
  const inQuery = body === "" ? others : without(others, [[body]]);
  return { target: bounded(expanded + queryText(inQuery, route.isQueryNested, path.fields)), body: inBody };
}

function bodyField(members: JsonMembers, name: string): string {
  const member = members.get(name);
  if (member === undefined) throw payloadInvalid(name);
  return member.source;
}

function bounded(target: string): string {
  if (target.length > TARGET_CHARS_MAX) throw payloadInvalid("payload");
  return target;
}
