import type { Fields } from "./fields/public-fields.ts";
import { invalid } from "./fields/public-fields.ts";

/**
 * Reads a query (WHATWG URL, application/x-www-form-urlencoded). Throws RestError if a name occurs twice, or if the percent-encoded
 * bytes are not UTF-8. Other parsers could read other values from such a query.
 */
export function readQuery(query: string): Fields {
  const fields: Record<string, string> = Object.create(null);
  for (const pair of query === "" ? [] : query.split("&")) {
    const at = pair.indexOf("=");
    const name = decoded(at < 0 ? pair : pair.slice(0, at));
    if (Object.hasOwn(fields, name)) throw invalid(`${JSON.stringify(name.slice(0, 64))} occurs twice in the query`);
    fields[name] = at < 0 ? "" : decoded(pair.slice(at + 1));
  }
  return fields;
}

/** Writes the fields as a query with its question mark, or returns an empty text if there are none. */
export function writeQuery(fields: Fields): string {
  const pairs = Object.entries(fields).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  );
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw invalid("the query is not percent-encoded UTF-8");
  }
}
