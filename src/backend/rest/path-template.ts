import { stringValue } from "../../core/json-text.ts";
import { payloadInvalid } from "../../core/refusal.ts";
import { type PathSegment, parseRoutePath } from "../../core/route-path.ts";
import type { JsonMembers } from "./json-members.ts";

/** Maximum length of a payload value that replaces a placeholder. Such values are ids, which are short. */
const VALUE_CHARS_MAX = 512;
/**
 * Matches text that may end a path segment. A server behind the gateway may decode the path a second time, so percent-encoded
 * characters match too.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern looks for control characters
const UNSAFE_VALUE = /[/\\\u0000-\u001f\u007f-\u009f]|%[0-9a-f]{2}/i;

/**
 * The path of a route, such as `/api/v1/user/rooms/{room_id}/messages`. A placeholder is always a whole segment. Each call
 * replaces the placeholders by values of its payload.
 */
export class PathTemplate {
  /** Names of the payload fields that replace the placeholders of the path. */
  readonly fields: ReadonlySet<string>;
  readonly #segments: readonly PathSegment[];
  /** The whole path if it has no placeholders. `undefined` if it has placeholders. */
  readonly #plain: string | undefined;

  /** Throws a TypeError with the reason if the path is invalid. */
  constructor(path: string) {
    this.#segments = parseRoutePath(path);
    this.fields = new Set(this.#segments.flatMap((segment) => ("field" in segment ? [segment.field] : [])));
    this.#plain = this.fields.size === 0 ? path : undefined;
  }

  /**
   * Returns the path with the values of the payload in place of its placeholders. Throws PAYLOAD_INVALID with the name of the
   * field if a value is missing, too long, or not safe as a single path segment.
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
 * Converts the JSON text of a string, number or boolean to plain text. A number keeps all of its digits. Returns `undefined`
 * for null, arrays and objects.
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
