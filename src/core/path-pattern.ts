import { FIELD_NAME, isPlainSegment, lenientSegment, PATH_CHARS_MAX } from "./path-grammar.ts";

/** A segment of a pattern: plain text, or a variable. */
type Part = { readonly text: string } | { readonly variable: string };

/** The values of a path's variables, by name. */
export type PathValues = ReadonlyMap<string, string>;

/** Maximum number of segments. The edge matches paths of up to this many segments (transport/bun/edge.ts). */
export const PATH_SEGMENTS_MAX = 12;
/** Matches unreserved characters (RFC 3986 2.3), except the dot segments `.` and `..`. */
const VALUE = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}$/;
const VARIABLE = /^\{(.*)\}$/;

/**
 * A path of plain segments and variables, such as `/rooms/{room_id}/status`. A variable stands for one segment.
 *
 * The value of a variable has 1 to 128 unreserved characters and is not a dot segment. So every path that matches has exactly
 * one spelling, and no value can change which resource a path names.
 */
export class PathPattern {
  readonly text: string;
  readonly variables: ReadonlySet<string>;
  readonly #parts: readonly Part[];

  /** Throws a TypeError if the pattern is invalid. The message describes the problem, and does not quote the pattern. */
  constructor(text: string) {
    if (!text.startsWith("/")) throw new TypeError('must start with "/"');
    if (text.includes("?")) throw new TypeError('must not contain "?", because a path has no query');
    if (text.length > PATH_CHARS_MAX) throw new TypeError(`is longer than ${PATH_CHARS_MAX} characters`);
    this.text = text;
    this.#parts = text.slice(1).split("/").map(parsePart);
    if (this.#parts.length > PATH_SEGMENTS_MAX) throw new TypeError(`has more than ${PATH_SEGMENTS_MAX} segments`);
    const names = this.#parts.flatMap((part) => ("variable" in part ? [part.variable] : []));
    this.variables = new Set(names);
    if (this.variables.size < names.length) throw new TypeError("a {variable} occurs twice");
  }

  /** The text of the first segment. `undefined` if it is a variable. */
  get firstText(): string | undefined {
    const [first] = this.#parts;
    return first !== undefined && "text" in first ? first.text : undefined;
  }

  /** Returns the values of the variables if the path matches. `path` is the path as received, without percent-decoding. */
  match(path: string): PathValues | undefined {
    const segments = path.slice(1).split("/");
    if (!path.startsWith("/") || segments.length !== this.#parts.length) return undefined;
    const values = new Map<string, string>();
    for (const [index, part] of this.#parts.entries()) {
      const segment = segments[index] ?? "";
      if ("variable" in part) {
        if (!isPathValue(segment)) return undefined;
        values.set(part.variable, segment);
      } else if (part.text !== segment) return undefined;
    }
    return values;
  }

  /** Returns the path with these values in place of the variables. Each variable needs a value that `isPathValue` accepts. */
  expand(values: PathValues): string {
    return this.#parts
      .map((part) => `/${"text" in part ? part.text : encodeURIComponent(requiredValue(values, part))}`)
      .join("");
  }

  /** Returns true if a path exists that matches both patterns. */
  overlaps(other: PathPattern): boolean {
    return haveOverlap(this.#parts, other.#parts);
  }

  /** Like `overlaps`, but for a server that routes each segment as `lenientSegment` returns it. */
  overlapsLeniently(other: PathPattern): boolean {
    return haveOverlap(lenientParts(this.#parts), lenientParts(other.#parts));
  }
}

export function isPathValue(value: string): boolean {
  return VALUE.test(value);
}

function haveOverlap(parts: readonly Part[], others: readonly Part[]): boolean {
  if (parts.length !== others.length) return false;
  return parts.every((part, index) => {
    const other = others[index];
    if (other === undefined || "variable" in other) return true;
    return "variable" in part || part.text === other.text;
  });
}

function lenientParts(parts: readonly Part[]): readonly Part[] {
  return parts
    .map((part) => ("text" in part ? { text: lenientSegment(part.text) } : part))
    .filter((part) => !("text" in part) || part.text !== "");
}

function requiredValue(values: PathValues, { variable }: { readonly variable: string }): string {
  const value = values.get(variable);
  if (value === undefined || !isPathValue(value)) throw new TypeError(`{${variable}} has no value that fits into a path`);
  return value;
}

function parsePart(segment: string, index: number): Part {
  const variable = VARIABLE.exec(segment)?.[1];
  if (variable !== undefined && FIELD_NAME.test(variable)) return { variable };
  if (!isPlainSegment(segment)) throw new TypeError(`segment ${index + 1} is neither plain text nor a {variable}`);
  return { text: segment };
}
