import { LISTED_CODINGS_CHARACTERS_MAX } from "./limits.ts";

/** The canonical name of a content coding: lower case, `gzip` for `x-gzip` (RFC 9110 8.4.1). */
export function codingName(text: string): string {
  const name = text.trim().toLowerCase();
  return name === "x-gzip" ? "gzip" : name;
}

/**
 * The codings of a Content-Encoding, in the order in which they were applied, without `identity` (RFC 9110 12.5.3). A header above
 * `LISTED_CODINGS_CHARACTERS_MAX` is read as one unknown coding.
 */
export function codingsOf(value: string | null): readonly string[] {
  if (value === null) return [];
  if (value.length > LISTED_CODINGS_CHARACTERS_MAX) return ["unknown"];
  const names = value.split(",").map(codingName);
  return names.filter((name) => name !== "" && name !== "identity");
}
