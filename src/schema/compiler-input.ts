import { isJsonObject } from "../core/json-body.ts";
import { SchemaProblem } from "./schema-problem.ts";

/** The keyword that counts steps. Its value is `SchemaWork`. */
export const STEPS_KEYWORD = "sallyportSteps";

/**
 * The steps of one schema. They include steps for each inner schema that applies to the same value, because an inner schema may
 * end before it counts its own steps.
 */
export interface SchemaWork {
  /** For any value. */
  readonly value: number;
  /** Further steps for an array, for each of its items. */
  readonly perItem: number;
  /** Further steps for an object. */
  readonly object: number;
  /** Further steps for an object, for each of its names. */
  readonly perName: number;
}

/** Steps of one schema for one value. */
const STEPS_PER_SCHEMA = 20;
/** Keywords that look at each name of an object. */
const EACH_NAME = ["additionalProperties", "maxProperties", "minProperties", "patternProperties", "propertyNames"];
/** Keywords whose code looks up each of their names in an object, and the steps of one look-up. */
const EACH_OWN_NAME = { properties: 5, patternProperties: 40, dependentRequired: 12, dependentSchemas: 8 };
/** From this number of names on, the generated code is so long that JavaScriptCore does not optimise it. */
const FAST_NAMES = 200;
/** Maximum number of names of one keyword of a schema. ajv recurses once for each name. */
const NAMES_MAX = 1000;

const SCHEMAS = [
  ...["additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"],
  ...["unevaluatedItems", "unevaluatedProperties"],
];
const LISTS = ["allOf", "anyOf", "oneOf", "prefixItems"];
const MAPS = ["dependentSchemas", "patternProperties", "properties"];

/**
 * Adapts a schema to ajv. Each schema gets the keyword that counts steps. A property or pattern `__proto__`, which ajv 8.20
 * ignores, becomes another pattern.
 */
export function forCompiler(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(forCompiler);
  if (!isJsonObject(schema)) return schema;
  return { ...withoutProto(mapSchemas(schema)), [STEPS_KEYWORD]: workOf(schema) };
}

function workOf(schema: Readonly<Record<string, unknown>>): SchemaWork {
  let object = 0;
  for (const [keyword, steps] of Object.entries(EACH_OWN_NAME)) {
    const { size } = namesOf(schema[keyword]);
    if (size > NAMES_MAX) throw new SchemaProblem(`${keyword} has ${size} names, expected at most ${NAMES_MAX}`);
    object += Math.ceil(size * steps * (1 + size / FAST_NAMES));
  }
  const lists = LISTS.flatMap((keyword) => (Array.isArray(schema[keyword]) ? schema[keyword] : []));
  const inPlace = lists.length + ["if", "not", "then", "else"].filter((keyword) => keyword in schema).length;
  return {
    value: STEPS_PER_SCHEMA * (1 + inPlace),
    perItem: "contains" in schema ? STEPS_PER_SCHEMA : 0,
    object,
    perName: EACH_NAME.some((keyword) => keyword in schema) ? 1 : 0,
  };
}

function mapSchemas(schema: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const entries = Object.entries(schema).map(([keyword, value]) => {
    if (SCHEMAS.includes(keyword) || LISTS.includes(keyword)) return [keyword, forCompiler(value)] as const;
    if (!MAPS.includes(keyword) || !isJsonObject(value)) return [keyword, value] as const;
    return [keyword, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, forCompiler(each)]))] as const;
  });
  return Object.fromEntries(entries);
}

/** ajv ignores `__proto__` as a pattern too. This pattern matches the same texts. */
const PROTO_ANYWHERE = "(?:__proto__)";
const PROTO_NAME = "^__proto__$";

function withoutProto(schema: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const properties = namesOf(schema["properties"]);
  const patterns = namesOf(schema["patternProperties"]);
  const moved = [
    ...[...properties].filter(([name]) => name === "__proto__").map(([, each]) => [PROTO_NAME, each] as const),
    ...[...patterns].filter(([name]) => name === "__proto__").map(([, each]) => [PROTO_ANYWHERE, each] as const),
  ];
  if (moved.length === 0) return schema;
  for (const [pattern, each] of moved)
    patterns.set(pattern, patterns.has(pattern) ? { allOf: [patterns.get(pattern), each] } : each);
  properties.delete("__proto__");
  patterns.delete("__proto__");
  return { ...schema, properties: Object.fromEntries(properties), patternProperties: Object.fromEntries(patterns) };
}

function namesOf(schemas: unknown): Map<string, unknown> {
  return new Map(isJsonObject(schemas) ? Object.entries(schemas) : []);
}
