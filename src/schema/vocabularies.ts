import { isJsonObject } from "../core/json-body.ts";
import { SchemaProblem } from "./schema-problem.ts";
import type { SchemaResource, SchemaResources } from "./schema-resources.ts";

/** What a keyword contains: a schema, a list of schemas, an object of schemas, a reference, or a value that is no schema. */
type KeywordKind = SchemaKind | "reference" | "value";
/** How a keyword contains schemas: one schema, a list of schemas, or an object of schemas. */
export type SchemaKind = "schema" | "schemas" | "named schemas";
type Keywords = ReadonlyMap<string, KeywordKind>;

const DIALECT = "https://json-schema.org/draft/2020-12/";
const DEFAULT_SCHEMA = `${DIALECT}schema`;

const keywords = (kind: KeywordKind, names: string): [string, KeywordKind][] => names.split(" ").map((name) => [name, kind]);

/**
 * For each standard vocabulary: the keywords that can make a value invalid. Annotations, such as `format` and `contentSchema`,
 * never make a value invalid (JSON Schema Validation 7.2.1, 8.1).
 */
const VOCABULARIES: Readonly<Record<string, Keywords>> = {
  core: new Map(keywords("reference", "$ref $dynamicRef")),
  applicator: new Map([
    ...keywords("schema", "additionalProperties contains else if items not propertyNames then"),
    ...keywords("schemas", "allOf anyOf oneOf prefixItems"),
    ...keywords("named schemas", "dependentSchemas patternProperties properties"),
  ]),
  unevaluated: new Map(keywords("schema", "unevaluatedItems unevaluatedProperties")),
  validation: new Map(
    keywords(
      "value",
      "const dependentRequired enum exclusiveMaximum exclusiveMinimum maxContains maxItems maxLength maxProperties maximum minContains minItems minLength minProperties minimum multipleOf pattern required type uniqueItems",
    ),
  ),
  "meta-data": new Map(),
  "format-annotation": new Map(),
  content: new Map(),
};

/** All keywords of `VOCABULARIES`. Each of them can make a value invalid. */
export const CHECKED_KEYWORDS: Keywords = new Map(Object.values(VOCABULARIES).flatMap((each) => [...each]));

/** The keywords that contain schemas. */
export const SCHEMA_KEYWORDS: ReadonlyMap<string, SchemaKind> = new Map(
  [...CHECKED_KEYWORDS].flatMap(([name, kind]) => (kind === "reference" || kind === "value" ? [] : [[name, kind]])),
);

/**
 * Returns the keywords that apply to a schema resource. If its `$schema` names a metaschema with `$vocabulary`, only the keywords
 * of the listed vocabularies apply.
 *
 * Throws `SchemaProblem` if `$schema` names another draft, or if the metaschema requires an unknown vocabulary.
 */
export function activeKeywords({ root, uri }: SchemaResource, resources: SchemaResources): Keywords {
  const dialect = typeof root === "boolean" ? undefined : root["$schema"];
  if (typeof dialect !== "string" || dialect.replace(/#$/, "") === DEFAULT_SCHEMA) return CHECKED_KEYWORDS;
  if (/json-schema\.org\/draft/.test(dialect))
    throw new SchemaProblem(`${uri}: $schema is another draft, expected ${DEFAULT_SCHEMA}`);
  const metaschema = resources.at(dialect.replace(/#$/, "")).root;
  const vocabulary = typeof metaschema === "boolean" ? undefined : metaschema["$vocabulary"];
  if (!isJsonObject(vocabulary)) return CHECKED_KEYWORDS;
  const parts = Object.entries(vocabulary).map(([name, isRequired]) => {
    const known = name.startsWith(`${DIALECT}vocab/`) ? VOCABULARIES[name.slice(`${DIALECT}vocab/`.length)] : undefined;
    if (known === undefined && isRequired === true)
      throw new SchemaProblem(`${uri}: $schema requires a vocabulary that is unknown: ${name}`);
    return known ?? new Map<string, KeywordKind>();
  });
  return new Map([...(VOCABULARIES["core"] ?? []), ...parts.flatMap((each) => [...each])]);
}
