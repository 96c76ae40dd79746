import type { JsonSchema } from "./json-schema.ts";
import { CONFIG_KEYS, type ConfigKey, SCHEMA } from "./schema.ts";

/** A table of the configuration file: the schemas of its own settings, and the tables inside it. */
interface Table {
  readonly properties: Record<string, JsonSchema>;
  readonly tables: Map<string, Table>;
}

/** Returns the JSON Schema (draft 2020-12) of a configuration file, for editors and validators. */
export function configSchema(): JsonSchema & { readonly $schema: string; readonly title: string } {
  const root = newTable();
  for (const key of CONFIG_KEYS) add(root, key);
  const { properties, ...table } = tableSchema(root);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Configuration of Sallyport",
    ...table,
    properties: { $schema: { type: "string", description: "The path of this schema, for editors." }, ...properties },
    // A JSON or YAML file may also contain a setting under its dotted name, such as "log.level".
    patternProperties: Object.fromEntries(CONFIG_KEYS.filter((key) => key.includes(".")).map(dottedName)),
  };
}

function newTable(): Table {
  return { properties: {}, tables: new Map() };
}

function add(root: Table, key: ConfigKey): void {
  const names = key.split(".");
  const last = names.pop() ?? "";
  let table = root;
  for (const name of names) {
    const next = table.tables.get(name) ?? newTable();
    table.tables.set(name, next);
    table = next;
  }
  table.properties[last] = settingSchema(key);
}

function settingSchema(key: ConfigKey): JsonSchema {
  const { decoder, doc, rawDefault } = SCHEMA[key];
  return { description: doc, ...(rawDefault !== undefined && { default: rawDefault }), ...decoder.schema };
}

function tableSchema({ properties, tables }: Table): JsonSchema {
  const inner = [...tables].map(([name, table]) => [name, { ...tableSchema(table), type: ["object", "null"] }]);
  return { type: "object", properties: { ...properties, ...Object.fromEntries(inner) }, additionalProperties: false };
}

function dottedName(key: ConfigKey): readonly [string, JsonSchema] {
  return [`^${key.replaceAll(".", "\\.")}$`, { $ref: `#/properties/${key.replaceAll(".", "/properties/")}` }];
}
