import { isJsonObject } from "../core/json-body.ts";
import { SchemaProblem } from "./schema-problem.ts";
import { SCHEMA_KEYWORDS } from "./vocabularies.ts";

/** The keyword that counts the steps of a check (`Steps`). The gateway adds it to each schema, with a `SchemaWork` as its value. */
export const STEPS_KEYWORD = "sallyportSteps";

/**
 * The number of steps that the check of a value against one schema takes.
 *
 * A keyword such as `allOf` contains inner schemas. If the value has the wrong `type`, the check of an inner schema may end before
 * the inner schema counts its own steps. So `value` also contains a fixed number of steps for each inner schema.
 */
export interface SchemaWork {
  /** Steps for a value of any type. */
  readonly value: number;
  /** Additional steps per item, if the value is an array. */
  readonly perItem: number;
  /** Additional steps, if the value is an object. */
  readonly object: number;
  /** Additional steps per member name, if the value is an object. */
  readonly perName: number;
}

const STEPS_PER_SCHEMA = 20;
/** Keywords whose check reads each member name of the checked object. */
const EACH_NAME = ["additionalProperties", "maxProperties", "minProperties", "patternProperties", "propertyNames"];
/** Steps for each name that the value of the keyword contains. The compiled check looks up each name in the checked object. */
const EACH_OWN_NAME = { properties: 5, patternProperties: 40, dependentRequired: 12, dependentSchemas: 8 };
/**
 * If one keyword has at least this many names, JavaScriptCore does not optimise the compiled check, because its code is too long.
 */
const FAST_NAMES = 200;
/** Maximum number of names in one keyword, such as `properties`. It bounds the recursion of ajv, which recurses once per name. */
const NAMES_MAX = 1000;

/** The keywords that contain a list of schemas. */
const LISTS = [...SCHEMA_KEYWORDS].flatMap(([keyword, kind]) => (kind === "schemas" ? [keyword] : []));

/**
 * Adapts a schema to ajv. Each schema gets the keyword that counts steps. ajv 8.20 ignores a property or a pattern that is named
 * `__proto__`, so an equivalent pattern replaces it.
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
    const kind = SCHEMA_KEYWORDS.get(keyword);
    if (kind === "schema" || kind === "schemas") return [keyword, forCompiler(value)] as const;
    if (kind === undefined || !isJsonObject(value)) return [keyword, value] as const;
    return [keyword, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, forCompiler(each)]))] as const;
  });
  return Object.fromEntries(entries);
}

/** ajv ignores a pattern that is written `__proto__`. This pattern matches the same texts, and ajv does not ignore it. */
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
