import type { ChangedRows } from "../core/reload.ts";
import type { Config } from "./schema.ts";

type Row = Readonly<Record<string, unknown>>;
type Named = ReadonlyMap<string, Row>;

/** The rows of each table, by name. The name of a public route is its method and path. */
const TABLES = {
  routes: ({ routes }: Config): Named => new Map(routes.map((row) => [row.message_type, row])),
  public_routes: ({ public_routes }: Config): Named => new Map(public_routes.map((row) => [`${row.method} ${row.path}`, row])),
  upstreams: ({ upstreams }: Config): Named => new Map(upstreams.map((row) => [row.name, row])),
} as const;

/** Returns the changed rows of each table that differs. The result contains the names of rows and fields, and no values. */
export function rowChanges(before: Config, after: Config): Readonly<Record<string, ChangedRows>> {
  const changed: Record<string, ChangedRows> = {};
  for (const [table, named] of Object.entries(TABLES)) {
    const changes = compare(named(before), named(after));
    if (changes !== undefined) changed[table] = changes;
  }
  return changed;
}

function compare(before: Named, after: Named): ChangedRows | undefined {
  const added = [...after.keys()].filter((name) => !before.has(name));
  const removed = [...before.keys()].filter((name) => !after.has(name));
  const changed: Record<string, readonly string[]> = {};
  for (const [name, row] of after) {
    const fields = changedFields(before.get(name) ?? row, row);
    if (fields.length > 0) changed[name] = fields;
  }
  const isSame = added.length + removed.length + Object.keys(changed).length === 0;
  return isSame ? undefined : { added, removed, changed };
}

/** A change of a schema's content is a change of the field `schema`. */
function changedFields(before: Row, after: Row): string[] {
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = fields.filter((field) => !Bun.deepEquals(before[field], after[field]));
  return [...new Set(changed.map((field) => (field === "schema_document" ? "schema" : field)))];
}

/** Returns the changes as a short text for the log, such as `+chat.send -chat.drop ~chat.read(path,timeout_ms)`. */
export function rowsText({ added, removed, changed }: ChangedRows): string {
  return [
    ...added.map((name) => `+${name}`),
    ...removed.map((name) => `-${name}`),
    ...Object.entries(changed).map(([name, fields]) => `~${name}(${fields.join(",")})`),
  ].join(" ");
}
