import { isObject } from "../../config/decoder.ts";
import { SCHEMA_KEYWORDS, type SchemaKind } from "../../schema/vocabularies.ts";

/** The values that a keyword can have: schemas, or all values for which the function returns `true`. */
type KeywordKind = SchemaKind | ((value: unknown) => boolean);

const TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"];

const isText = (value: unknown) => typeof value === "string";
const isBoolean = (value: unknown) => typeof value === "boolean";
const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);
const isPositive = (value: unknown) => typeof value === "number" && Number.isFinite(value) && value > 0;
const isCount = (value: unknown) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText) && new Set(value).size === value.length;
const isTypes = (value: unknown) => {
  const types: unknown[] = [value].flat();
  return types.length > 0 && isTexts(types) && types.every((each) => typeof each === "string" && TYPES.includes(each));
};
const isTextsOfNames = (value: unknown) => isObject(value) && Object.values(value).every(isTexts);

const kinds = (kind: KeywordKind, names: string): [string, KeywordKind][] => names.split(" ").map((name) => [name, kind]);

/** The JSON Schema 2020-12 keywords that a generated schema can have. Other fields, such as `xml` and `x-…`, are not copied. */
export const KEYWORDS: ReadonlyMap<string, KeywordKind> = new Map<string, KeywordKind>([
  ...SCHEMA_KEYWORDS,
  ...kinds(isTypes, "type"),
  ...kinds(isNumber, "exclusiveMaximum exclusiveMinimum maximum minimum"),
  ...kinds(isPositive, "multipleOf"),
  ...kinds(isCount, "maxContains maxItems maxLength maxProperties minContains minItems minLength minProperties"),
  ...kinds(isText, "$comment contentEncoding contentMediaType description format pattern title"),
  ...kinds(isBoolean, "deprecated readOnly uniqueItems writeOnly"),
  ...kinds(isTexts, "required"),
  ...kinds(isTextsOfNames, "dependentRequired"),
  ...kinds(Array.isArray, "enum examples"),
  ...kinds(() => true, "const default"),
]);

/** Keywords whose schemas apply to the same value as the schema that contains them. */
export const IN_PLACE: ReadonlySet<string> = new Set("allOf anyOf oneOf not if then else dependentSchemas".split(" "));

/** A generated schema while it is built. Its parts may be changed. */
export type SchemaObject = Record<string, unknown>;

/** Returns the schemas directly inside a generated schema, each with its keyword. Leaves out `true` and `false`. */
export function childrenOf(schema: SchemaObject): (readonly [keyword: string, child: SchemaObject])[] {
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const kind = KEYWORDS.get(keyword);
    const children =
      kind === "schema" ? [value] : kind === "schemas" || kind === "named schemas" ? Object.values(Object(value)) : [];
    return children.filter(isObject).map((child) => [keyword, child] as const);
  });
}
