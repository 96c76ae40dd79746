import { isObject } from "../config/decoder.ts";
import type { OpenApiDocument } from "./document.ts";
import { acceptsJson, mediaTypesOf } from "./media-types.ts";
import type { Node } from "./node.ts";
import { NotExpressible } from "./not-expressible.ts";

/** The JSON body of an operation. */
export interface JsonBody {
  /** The names of its fields. `undefined` if the body may have other fields, or may be no object. */
  readonly names: ReadonlySet<string> | undefined;
}

/** Maximum number of schemas that are read for the field names of one body. */
const SCHEMAS_MAX = 500;

/** Returns the body of an operation, or `undefined` if it has none. Throws `NotExpressible` if the body cannot be sent. */
export function jsonBody(document: OpenApiDocument, requestBody: Node | undefined, isGet: boolean): JsonBody | undefined {
  const types = mediaTypesOf(requestBody?.["content"]);
  if (requestBody === undefined || types.length === 0) return undefined;
  const isRequired = requestBody["required"] === true;
  if (isGet) {
    if (isRequired) throw new NotExpressible("it is a GET with a body");
    return undefined;
  }
  if (!acceptsJson(types)) throw new NotExpressible(`its body is ${types.join(" or ")}, and a route sends application/json`);
  const content = requestBody["content"];
  const media = isObject(content)
    ? Object.entries(content).find(([type]) => acceptsJson(mediaTypesOf({ [type]: {} })))
    : undefined;
  const schema = isObject(media?.[1]) ? media[1]["schema"] : undefined;
  return { names: fieldNames(document, schema) };
}

/** Returns the names of the fields of an object's schema, or `undefined` if other fields or other values are possible. */
function fieldNames(document: OpenApiDocument, root: unknown): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  const seen = new Set<unknown>();
  const open: unknown[] = [root];
  for (let schema = open.pop(); schema !== undefined || open.length > 0; schema = open.pop()) {
    if (!isObject(schema) || seen.size >= SCHEMAS_MAX) return undefined;
    if (seen.has(schema["$ref"] ?? schema)) continue;
    seen.add(schema["$ref"] ?? schema);
    const { type, properties, additionalProperties, patternProperties, allOf, anyOf, oneOf } = resolved(document, schema);
    const isOpen = isObject(additionalProperties) || additionalProperties === true || patternProperties !== undefined;
    if (isOpen || (type !== undefined && type !== "object")) return undefined;
    const parts = [allOf, anyOf, oneOf].flatMap((each) => (Array.isArray(each) ? each : []));
    if (parts.length === 0 && !isObject(properties)) return undefined;
    for (const name of Object.keys(isObject(properties) ? properties : {})) names.add(name);
    open.push(...parts);
  }
  return names;
}

/** Follows the `$ref` of a schema. If that fails, the fields are unknown: returns the empty schema. */
function resolved(document: OpenApiDocument, schema: Node): Node {
  try {
    return document.resolve(schema);
  } catch (error) {
    if (error instanceof NotExpressible) return {};
    throw error;
  }
}
