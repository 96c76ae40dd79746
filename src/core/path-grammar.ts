/** The grammars that the paths of routes, of public routes and of the backend share. */

/** Maximum length of a path, in characters. */
export const PATH_CHARS_MAX = 1024;

/**
 * Source of the pattern of a plain segment: the path characters of RFC 3986 3.3 without percent escapes and without `*`. Such a
 * segment has one spelling.
 *
 * - `.` and `..` do not match. `..;x` does not match, because some servers cut a segment at its semicolon.
 * - `:x` does not match, because it is a variable in other path syntaxes.
 */
export const PLAIN_SEGMENT = "(?!:|\\.{1,2}(?:[;/]|$))[A-Za-z0-9._~!$&'()+,;=:@-]+";

const WHOLE_SEGMENT = new RegExp(`^${PLAIN_SEGMENT}$`);

export function isPlainSegment(text: string): boolean {
  return WHOLE_SEGMENT.test(text);
}

/**
 * Returns a plain segment as the most lenient servers route it. They ignore case, and what follows a semicolon (matrix parameters).
 * They also ignore a segment that is then empty.
 */
export function lenientSegment(text: string): string {
  return text.replace(/;.*$/, "").toLowerCase();
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Matches the name of a field or of a path variable, with at most 64 characters. */
export const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** Whether a text is the name of a field, of any length. */
export function isIdentifier(text: string): boolean {
  return IDENTIFIER.test(text);
}
