import { isObject } from "../../config/decoder.ts";
import type { Node, OpenApiDocument } from "../document.ts";

/**
 * Converts one schema of OpenAPI 3.0 or 3.1 to JSON Schema 2020-12. Does not convert the schemas inside this schema.
 *
 * Removes `readOnly` properties from `required`, because only answers have them (OpenAPI 3.0.4, "Schema Object").
 */
export function convertDialect(document: OpenApiDocument, schema: Node): Node {
  const isOld = document.version.startsWith("3.0");
  // In OpenAPI 3.0, fields beside a $ref are ignored. Only `nullable` is kept; see `orNull`.
  const { nullable, ...own } = isOld && typeof schema["$ref"] === "string" ? pick(schema, ["$ref", "nullable"]) : schema;
  const node = withoutReadOnly(document, withDiscriminator(document, withExample(withLimits(own))));
  return isOld && nullable === true ? orNull(node) : node;
}

function pick(schema: Node, names: readonly string[]): Node {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => names.includes(name)));
}

/**
 * Makes a schema accept null. Keywords such as `$ref` could still refuse null. So a schema with such a keyword becomes one branch
 * of an `anyOf`, and null is the other branch.
 */
function orNull(node: Node): Node {
  const { type, enum: values } = node;
  if (["$ref", "allOf", "anyOf", "oneOf", "not"].some((keyword) => keyword in node)) return { anyOf: [node, { type: "null" }] };
  return {
    ...node,
    ...(typeof type === "string" && { type: [type, "null"] }),
    ...(Array.isArray(values) && !values.includes(null) && { enum: [...values, null] }),
  };
}

/**
 * In OpenAPI 3.0, `exclusiveMinimum: true` makes `minimum` exclusive. In JSON Schema 2020-12, `exclusiveMinimum` is a number and
 * replaces `minimum`. The same applies to `exclusiveMaximum`.
 */
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
 * A discriminator selects one schema of `oneOf` by the value of a property. So each schema gets an `enum` of the values that select
 * it. Otherwise, several schemas could accept the same object, and `oneOf` would refuse it. Without `oneOf`, a discriminator
 * restricts nothing.
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

/** Whether a schema already restricts the values of a property, by `enum` or `const`. */
function hasValues(document: OpenApiDocument, schema: unknown, name: string): boolean {
  const property = propertyOf(document.resolveSchema(schema), name);
  const values = document.resolveSchema(property);
  return "enum" in values || "const" in values;
}

/** Removes `readOnly` properties from `required`. Also removes duplicate names, which would make the schema invalid. */
function withoutReadOnly(document: OpenApiDocument, node: Node): Node {
  const { required } = node;
  if (!Array.isArray(required)) return node;
  const isWritable = (name: unknown) =>
    typeof name !== "string" || document.resolveSchema(propertyOf(node, name))["readOnly"] !== true;
  return { ...node, required: [...new Set(required)].filter(isWritable) };
}

function propertyOf({ properties }: Node, name: string): unknown {
  return isObject(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
}
