import { isObject } from "../config/decoder.ts";
import type { OpenApiDocument } from "./document.ts";
import { NotExpressible } from "./document.ts";
import { acceptsJson, isMultipart, mediaTypesOf, routeMediaType } from "./media-types.ts";
import type { Operation, OperationMethod } from "./operations.ts";

/** The body of an operation. */
export type Body = JsonBody | RawBody;

export interface JsonBody {
  readonly form: "json";
  /** The names of the body's fields. `undefined` if the schema does not list all fields. */
  readonly names: ReadonlySet<string> | undefined;
  readonly schema: unknown;
}

/** A body that is no JSON. The payload is its bytes. */
export interface RawBody {
  readonly form: "raw";
  /** All media types of the body. */
  readonly types: readonly string[];
  /** The Content-Type of the route, or `undefined` if the document has only ranges such as `image/*`. */
  readonly contentType: string | undefined;
}

/** Maximum number of schemas that are read for the field names of one body. */
const SCHEMAS_MAX = 500;

/** Returns the body of an operation, or `undefined` if it has none. Throws `NotExpressible` if the body cannot be sent. */
export function bodyOf(
  document: OpenApiDocument,
  { requestBody, method }: Pick<Operation, "requestBody" | "method">,
): Body | undefined {
  const content = requestBody?.["content"];
  const types = mediaTypesOf(content);
  if (requestBody === undefined || !isObject(content) || types.length === 0) return undefined;
  if (method === "get") {
    if (requestBody["required"] === true) throw new NotExpressible("it is a GET with a body");
    return undefined;
  }
  if (!acceptsJson(types)) return rawBody(Object.keys(content), types, method);
  const media = Object.values(content)[types.findIndex((type) => acceptsJson([type]))];
  const schema = isObject(media) ? media["schema"] : undefined;
  return { form: "json", names: fieldNames(document, schema), schema };
}

/** `written`: the same media types as `types`, but with their parameters. */
function rawBody(written: readonly string[], types: readonly string[], method: OperationMethod): RawBody {
  const shown = types.join(" or ");
  if (method === "delete") throw new NotExpressible(`its body is ${shown}, and a DELETE route sends only JSON`);
  const sent = written.filter((_, index) => !isMultipart(types[index] ?? ""));
  if (sent.length === 0) {
    throw new NotExpressible(`its body is ${shown}, and a route has a fixed Content-Type, without the boundary of each body`);
  }
  const contentType = sent.map(routeMediaType).find((each) => each !== undefined);
  return { form: "raw", types, contentType };
}

/** Returns the field names in the schema of an object. Returns `undefined` if the schema does not list all fields. */
function fieldNames(document: OpenApiDocument, root: unknown): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  const seen = new Set<unknown>();
  const open: unknown[] = [root];
  for (let schema = open.pop(); schema !== undefined || open.length > 0; schema = open.pop()) {
    if (!isObject(schema) || seen.size >= SCHEMAS_MAX) return undefined;
    if (seen.has(schema["$ref"] ?? schema)) continue;
    seen.add(schema["$ref"] ?? schema);
    const { type, properties, additionalProperties, patternProperties, allOf, anyOf, oneOf } = document.resolveSchema(schema);
    const isOpen = isObject(additionalProperties) || additionalProperties === true || patternProperties !== undefined;
    if (isOpen || (type !== undefined && type !== "object")) return undefined;
    const parts = [allOf, anyOf, oneOf].flatMap((each) => (Array.isArray(each) ? each : []));
    if (parts.length === 0 && !isObject(properties)) return undefined;
    for (const name of Object.keys(isObject(properties) ? properties : {})) names.add(name);
    open.push(...parts);
  }
  return names;
}
