import { isObject } from "../../config/decoder.ts";
import type { OpenApiDocument } from "../document.ts";
import type { Node } from "../node.ts";
import { NotExpressible } from "../not-expressible.ts";

/**
 * Converts one schema of OpenAPI 3.0 or 3.1 to JSON Schema 2020-12, but not the schemas inside it.
 *
 * `readOnly` properties are not required, because only answers have them (OpenAPI 3.0.4, "Schema Object").
 */
export function convertDialect(document: OpenApiDocument, schema: Node): Node {
  const isOld = document.version.startsWith("3.0");
  // In OpenAPI 3.0, fields beside a $ref are ignored.
  const { nullable, ...own } = isOld && typeof schema["$ref"] === "string" ? pick(schema, ["$ref", "nullable"]) : schema;
  const node = withoutReadOnly(document, withDiscriminator(document, withExample(withLimits(own))));
  return isOld && nullable === true ? orNull(node) : node;
}

function pick(schema: Node, names: readonly string[]): Node {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => names.includes(name)));
}

/** A part beside `nullable`, such as a `$ref`, could refuse null. Documents that combine them mean that null is allowed. */
function orNull(node: Node): Node {
  const { type, enum: values } = node;
  if (["$ref", "allOf", "anyOf", "oneOf", "not"].some((keyword) => keyword in node)) return { anyOf: [node, { type: "null" }] };
  return {
    ...node,
    ...(typeof type === "string" && { type: [type, "null"] }),
    ...(Array.isArray(values) && !values.includes(null) && { enum: [...values, null] }),
  };
}

/** In OpenAPI 3.0, `exclusiveMinimum: true` makes `minimum` exclusive. */
function withLimits(node: Node): Node {
  const { exclusiveMinimum, exclusiveMaximum, minimum, maximum, ...others } = node;
  const low = limits("minimum", "exclusiveMinimum", minimum, exclusiveMinimum);
  return { ...others, ...low, ...limits("maximum", "exclusiveMaximum", maximum, exclusiveMaximum) };
}

function limits(name: string, exclusiveName: string, value: unknown, exclusive: unknown): Node {
  const entries =
    typeof exclusive === "boolean"
      ? [[exclusive ? exclusiveName : name, value]]
      : [
          [name, value],
          [exclusiveName, exclusive],
        ];
  return Object.fromEntries(entries.filter(([, each]) => each !== undefined));
}

function withExample({ example, ...node }: Node): Node {
  return example === undefined || node["examples"] !== undefined ? node : { ...node, examples: [example] };
}

/**
 * A discriminator selects one schema of `oneOf` by a property. Each schema gets the values of the property that select it, because
 * several may accept the other properties. Without `oneOf`, a discriminator restricts nothing.
 */
function withDiscriminator(document: OpenApiDocument, { discriminator, ...node }: Node): Node {
  if (!isObject(discriminator) || !Array.isArray(node["oneOf"])) return node;
  const { propertyName, mapping } = discriminator;
  if (typeof propertyName !== "string") return node;
  const keys = isObject(mapping) ? Object.entries(mapping) : [];
  const oneOf = node["oneOf"].map((each) => {
    const reference: unknown = isObject(each) ? each["$ref"] : undefined;
    if (typeof reference !== "string" || hasValues(document, each, propertyName)) return each;
    const name = reference.split("/").at(-1) ?? "";
    const mapped = keys.filter(([, target]) => target === reference || target === name).map(([key]) => key);
    const isFree = keys.every(([key]) => key !== name);
    const values = [...mapped, ...(isFree ? [name] : [])];
    return { allOf: [each], required: [propertyName], properties: { [propertyName]: { enum: values } } };
  });
  return { ...node, oneOf };
}

/** Whether a schema itself lists the values of a property. */
function hasValues(document: OpenApiDocument, schema: unknown, name: string): boolean {
  const property = propertyOf(resolved(document, schema), name);
  const values = resolved(document, property);
  return "enum" in values || "const" in values;
}

/** Names that occur twice would make the schema invalid. */
function withoutReadOnly(document: OpenApiDocument, node: Node): Node {
  const { required } = node;
  if (!Array.isArray(required)) return node;
  const isWritable = (name: unknown) =>
    typeof name !== "string" || resolved(document, propertyOf(node, name))["readOnly"] !== true;
  return { ...node, required: [...new Set(required)].filter(isWritable) };
}

function propertyOf({ properties }: Node, name: string): unknown {
  return isObject(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** Returns an empty schema if there is none. */
function resolved(document: OpenApiDocument, schema: unknown): Node {
  try {
    return isObject(schema) ? document.resolve(schema) : {};
  } catch (error) {
    if (error instanceof NotExpressible) return {};
    throw error;
  }
}
