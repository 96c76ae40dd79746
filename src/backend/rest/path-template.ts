import { stringValue } from "../../core/json-text.ts";
import { type PathSegment, parseRoutePath } from "../../core/route-path.ts";
import type { JsonMembers } from "./json-members.ts";
import { payloadInvalid } from "./payload-invalid.ts";

/** Ids are short; more is not an id. */
const VALUE_CHARS_MAX = 512;
/** What could leave its segment, once here or after one more decoding further on: separators, escapes, control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const UNSAFE_VALUE = /[/\\\u0000-\u001f\u007f-\u009f]|%[0-9a-f]{2}/i;

/** A path with placeholders, each a whole segment: `/api/v1/user/rooms/{room_id}/messages`. Compiled once, expanded a call. */
export class PathTemplate {
  /** The payload's fields that the path consumes. */
  readonly fields: ReadonlySet<string>;
  readonly #segments: readonly PathSegment[];
  readonly #plain: string | undefined;

  /** Throws a TypeError that says what is wrong with the path. */
  constructor(path: string) {
    this.#segments = parseRoutePath(path);
    this.fields = new Set(this.#segments.flatMap((segment) => ("field" in segment ? [segment.field] : [])));
    this.#plain = this.fields.size === 0 ? path : undefined;
  }

  /** The path with its placeholders filled in. A value can never leave its segment: PAYLOAD_INVALID names the field. */
  expand(members: JsonMembers): string {
    if (this.#plain !== undefined) return this.#plain;
    return this.#segments.reduce(
      (path, segment) => `${path}/${"text" in segment ? segment.text : fill(segment.field, members)}`,
      "",
    );
  }
}

/** The text of a string, number or boolean, by its JSON text: a number is written as it was signed. `undefined` for all else. */
export function scalarText(source: string): string | undefined {
  if (source.startsWith('"')) return stringValue(source);
  return /^[-0-9tf]/.test(source) ? source : undefined;
}

function fill(field: string, members: JsonMembers): string {
  const member = members.get(field);
  const value = member && scalarText(member.source);
  if (value === undefined || !staysInSegment(value)) throw payloadInvalid(field);
  return encodeURIComponent(value);
}

function staysInSegment(value: string): boolean {
  if (value === "" || value === "." || value === "..") return false;
  return value.length <= VALUE_CHARS_MAX && !UNSAFE_VALUE.test(value);
}
