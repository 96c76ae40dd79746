import { payloadInvalid } from "../../core/refusal.ts";
import { elementsOf, type JsonMembers, membersOf } from "./json-members.ts";
import { scalarText } from "./path-template.ts";

/** Maximum nesting of objects in a query. It bounds the recursion. Messages seldom have more than three levels. */
const DEPTH_MAX = 16;

/**
 * Converts payload fields to a query that starts with `?`. Returns an empty text if there is no parameter.
 *
 * - A string, number or boolean gives one parameter. Null gives none.
 * - An array gives one parameter for each element, which must be a string, number or boolean.
 * - With `isNested`, an object gives the parameters of its fields, named `outer.inner` (google.api.http).
 * - Without `isNested`, an object is refused.
 *
 * Throws PAYLOAD_INVALID with the name of the field if a value is refused, or if two parameters would have the same name.
 * `taken` contains the names of the fields that the path uses.
 */
export function queryText(members: JsonMembers, isNested: boolean, taken: ReadonlySet<string>): string {
  const pairs: string[] = [];
  const names = new Set(taken);
  const add = (name: string, source: string) => {
    const values = queryValues(name, source);
    if (values.length > 0 && names.has(name)) throw payloadInvalid(name);
    names.add(name);
    for (const value of values) pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  };
  const walk = (fields: JsonMembers, prefix: string, depth: number) => {
    for (const [name, { source }] of fields) {
      const inner = isNested ? membersOf(source) : undefined;
      if (inner === undefined) add(prefix + name, source);
      else if (depth === DEPTH_MAX) throw payloadInvalid(prefix + name);
      else walk(inner, `${prefix}${name}.`, depth + 1);
    }
  };
  walk(members, "", 1);
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

/** Converts one field to query values. `source` is its JSON text. */
function queryValues(name: string, source: string): string[] {
  if (source === "null") return [];
  const sources = source.startsWith("[") ? elementsOf(source) : [source];
  return sources.map((each) => {
    const text = scalarText(each);
    if (text === undefined) throw payloadInvalid(name);
    return text;
  });
}
