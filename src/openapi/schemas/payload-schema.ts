import { isObject } from "../../config/decoder.ts";
import { SchemaFiles } from "../../schema/schema-files.ts";
import { SchemaProblem } from "../../schema/schema-problem.ts";
import type { OpenApiDocument } from "../document.ts";
import type { PayloadFields } from "../mapping.ts";
import type { FieldParameter } from "../parameters.ts";
import { SchemaBundle, SchemaUnusable } from "./bundle.ts";
import { InPlaceReferences } from "./in-place.ts";
import type { SchemaObject } from "./keywords.ts";
import type { Loss } from "./losses.ts";

/** The schema of a payload, and the parts of the document's schema that are left out. */
export interface GeneratedSchema {
  /** The content of the file, or `undefined` if there is no schema. */
  readonly text: string | undefined;
  readonly losses: readonly Loss[];
  /** The cost of the schema: the characters of its file, and `CHARS_PER_SCHEMA` for each copied schema. */
  readonly size: number;
}

const METASCHEMA = "https://json-schema.org/draft/2020-12/schema";
/** The schema of a parameter that has no schema in the document. */
const SCALAR = { type: ["string", "number", "boolean"] };
/** The cost of one copied schema, as a number of characters. It counts toward the maximum size of all schemas. */
const CHARS_PER_SCHEMA = 100;
/** Maximum number of losses that are listed for one schema. */
const LOSSES_MAX = 50;

/**
 * Returns the schema of a payload with a JSON body. The schema has no references to other files. Parts that a gateway would refuse
 * are left out of the schema and listed in `losses`.
 */
export function payloadSchema(document: OpenApiDocument, payload: PayloadFields): GeneratedSchema {
  if (payload.body === undefined) return { text: undefined, losses: [], size: 0 };
  const bundle = new SchemaBundle(document, payload.body.field === "*" ? payload.parameters.keys() : []);
  const sized = (text: string | undefined, losses: readonly Loss[]) => {
    return { text, losses, size: CHARS_PER_SCHEMA * bundle.size + (text?.length ?? 0) };
  };
  try {
    const text = generate(bundle, payload);
    const problem = text === undefined ? undefined : problemOf(text);
    if (problem === undefined) return sized(text, shortened(bundle.losses.list));
    return sized(undefined, [{ pointer: "#", reason: problem }]);
  } catch (error) {
    if (!(error instanceof SchemaUnusable)) throw error;
    return sized(undefined, [{ pointer: "#", reason: error.message }]);
  }
}

function shortened(losses: readonly Loss[]): readonly Loss[] {
  if (losses.length <= LOSSES_MAX) return losses;
  return [...losses.slice(0, LOSSES_MAX), { pointer: "#", reason: `${losses.length - LOSSES_MAX} further parts` }];
}

function generate(bundle: SchemaBundle, { body, parameters }: PayloadFields): string | undefined {
  const isWhole = body?.field === "*";
  const isWide = isWhole && parameters.size > 0;
  const named = [...parameters].filter(([, { form }]) => form !== "spread");
  const fields = new Map(named.map(([name, parameter]) => [name, valueSchema(bundle, name, parameter)]));
  const required = named.flatMap(([name, { isRequired }]) => (isRequired ? [name] : []));
  if (body !== undefined && !isWhole) {
    fields.set(body.field, bundle.add(body.schema ?? true, `#/properties/${body.field}`));
    required.push(body.field);
  }
  const whole = isWhole ? bundle.add(body.schema ?? true, "#", isWide) : {};
  const root = isWhole && !isWide ? whole : withFields(whole, fields, required);
  new InPlaceReferences(bundle.defs, bundle.losses).check(root);
  bundle.losses.spread(root, bundle.defs);
  return textOf(root, bundle.defs);
}

function valueSchema(bundle: SchemaBundle, name: string, { form, schema }: FieldParameter): unknown {
  if (form === "text") return { type: "string" };
  return schema === undefined ? SCALAR : bundle.add(schema, `#/properties/${name}`);
}

/** Adds `fields` to the properties of a schema, and `required` to its required names. */
function withFields(
  body: SchemaObject | boolean,
  fields: ReadonlyMap<string, unknown>,
  required: readonly string[],
): SchemaObject {
  const schema = typeof body === "boolean" ? (body ? {} : { not: {} }) : body;
  const names = [...(Array.isArray(schema["required"]) ? schema["required"] : []), ...required];
  const own = isObject(schema["properties"]) ? schema["properties"] : {};
  Object.assign(schema, { type: "object", properties: { ...own, ...Object.fromEntries(fields) } });
  if (names.length > 0) schema["required"] = [...new Set(names)];
  return schema;
}

/** Returns the content of the schema file; `undefined` if the schema accepts every value. */
function textOf(root: SchemaObject | boolean, defs: ReadonlyMap<string, unknown>): string | undefined {
  if (root === true || (isObject(root) && Object.keys(root).length === 0)) return undefined;
  const own = root === false ? { not: {} } : root;
  const schema = { $schema: METASCHEMA, ...Object(own), ...(defs.size > 0 && { $defs: Object.fromEntries(defs) }) };
  try {
    return `${JSON.stringify(schema, null, 2)}\n`;
  } catch {
    // In YAML, a value can contain itself by means of an anchor and an alias.
    throw new SchemaUnusable("it is not JSON, because a value contains itself");
  }
}

/** Reads the schema as a gateway does at its start. Returns why the gateway refuses it, or `undefined`. */
function problemOf(text: string): string | undefined {
  const name = "schema.json";
  try {
    new SchemaFiles({ baseUri: undefined, readFile: () => text }).read(name);
    return undefined;
  } catch (cause) {
    if (!(cause instanceof SchemaProblem)) throw cause;
    return cause.message.replace(`${name}: `, "");
  }
}
