import { LISTED_CODINGS_CHARACTERS_MAX } from "./limits.ts";

/** Returns the canonical name of a content coding: lower case, and `gzip` for `x-gzip` (RFC 9110 8.4.1). */
export function codingName(text: string): string {
  const name = text.trim().toLowerCase();
  return name === "x-gzip" ? "gzip" : name;
}

/**
 * Returns the codings of a Content-Encoding header in the order in which they were applied. Omits `identity` (RFC 9110 12.5.3).
 * A header that is longer than `LISTED_CODINGS_CHARACTERS_MAX` counts as one unknown coding.
 */
export function codingsOf(value: string | null): readonly string[] {
  if (value === null) return [];
  if (value.length > LISTED_CODINGS_CHARACTERS_MAX) return ["unknown"];
  const names = value.split(",").map(codingName);
  return names.filter((name) => name !== "" && name !== "identity");
}
