import { LISTED_CODINGS_CHARACTERS_MAX } from "./limits.ts";

/** A coding's name without regard to case, `x-gzip` as gzip (RFC 9110 8.4.1). */
export function codingName(text: string): string {
  const name = text.trim().toLowerCase();
  return name === "x-gzip" ? "gzip" : name;
}

/**
 * The codings of a Content-Encoding, in the order in which they were applied. `identity` is none (RFC 9110 12.5.3). A list longer than any
 * that is meant is one coding that nobody knows.
 */
export function codingsOf(value: string | null): readonly string[] {
  if (value === null) return [];
  if (value.length > LISTED_CODINGS_CHARACTERS_MAX) return ["unknown"];
  const names = value.split(",").map(codingName);
  return names.filter((name) => name !== "" && name !== "identity");
}
