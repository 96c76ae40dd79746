import { stringValue } from "../../core/json-text.ts";
import { payloadInvalid } from "../../core/refusal.ts";
import { type PathSegment, parseRoutePath } from "../../core/route-path.ts";
import type { JsonMembers } from "./json-members.ts";

/** Maximum length of the value of a placeholder. The values are ids, which are short. */
const VALUE_CHARS_MAX = 512;
/** Text that could end a path segment, in the gateway or in a server behind it that decodes the path a second time. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern looks for control characters
const UNSAFE_VALUE = /[/\\\u0000-\u001f\u007f-\u009f]|%[0-9a-f]{2}/i;

/**
 * A path in which every placeholder is a whole segment, such as `/api/v1/user/rooms/{room_id}/messages`. It is parsed once and
 * expanded for each call.
 */
export class PathTemplate {
  /** Names of the payload fields that the path contains as placeholders. */
  readonly fields: ReadonlySet<string>;
  readonly #segments: readonly PathSegment[];
  /** The path if it has no placeholders; otherwise `undefined`. */
  readonly #plain: string | undefined;

  /** Throws a TypeError with the reason if the path is invalid. */
  constructor(path: string) {
    this.#segments = parseRoutePath(path);
    this.fields = new Set(this.#segments.flatMap((segment) => ("field" in segment ? [segment.field] : [])));
    this.#plain = this.fields.size === 0 ? path : undefined;
  }

  /**
   * Replaces the placeholders by the payload's values. Throws PAYLOAD_INVALID with the name of the field if a value is missing,
   * is too long, or could end its path segment.
   */
  expand(members: JsonMembers): string {
    if (this.#plain !== undefined) return this.#plain;
    return this.#segments.reduce(
      (path, segment) => `${path}/${"text" in segment ? segment.text : fill(segment.field, members)}`,
      "",
    );
  }
}

/**
 * Converts the JSON text of a string, number or boolean to plain text. A number keeps all of its digits. Returns `undefined` for
 * null, an array or an object.
 */
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
