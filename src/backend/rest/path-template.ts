import { stringValue } from "../../core/json-text.ts";
import { payloadInvalid } from "../../core/refusal.ts";
import {
  type FieldPath,
  type PathVariable,
  type PatternSegment,
  parseTemplate,
  type TemplatePart,
  variablesOf,
} from "../../core/route-template.ts";
import { type JsonMembers, memberAt } from "./json-members.ts";

/** Maximum length of a payload value that replaces a variable. Such values are ids and file paths, which are short. */
const VALUE_CHARS_MAX = 512;
/**
 * Matches characters that a server behind the gateway may read as the end of a path segment. Such a server may decode the path a
 * second time. So percent-encoded characters match too, also in the form `%u002f`, which IIS decodes.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern looks for control characters
const UNSAFE_VALUE = /[/\\\u0000-\u001f\u007f-\u009f]|%[0-9a-f]{2}|%u[0-9a-f]{4}/i;
/** Matches a segment that some servers read as `.` or `..`, because they trim its spaces or cut it at a semicolon. */
const DOTS = /^\s*\.{1,2}\s*(?:;|$)/;
/** Characters that google.api.http requires to be percent-encoded, although `encodeURIComponent` leaves them unchanged. */
const FURTHER_RESERVED = /[!'()*]/g;

/**
 * The path of a route, such as `/api/v1/user/rooms/{room_id}/messages`. Each command replaces the variables by values of
 * its payload.
 */
export class PathTemplate {
  /** Names of the payload fields that replace the variables of the path. The name of a nested field has dots: `room.id`. */
  readonly fields: ReadonlySet<string>;
  readonly fieldPaths: readonly FieldPath[];
  readonly #parts: readonly TemplatePart[];
  readonly #ending: string;
  /** The whole path if it has no variables. `undefined` if it has variables. */
  readonly #plain: string | undefined;

  /** Throws a TypeError with the reason if the path is invalid. */
  constructor(path: string) {
    const template = parseTemplate(path);
    this.fieldPaths = variablesOf(template).map(({ field }) => field);
    this.fields = new Set(this.fieldPaths.map((field) => field.join(".")));
    this.#parts = template.parts;
    this.#ending = template.verb === undefined ? "" : `:${template.verb}`;
    this.#plain = this.fields.size === 0 ? path : undefined;
  }

  /**
   * Returns the path. Values of the payload replace the variables. Throws PAYLOAD_INVALID, which names the field, in these cases:
   *
   * - The value of the field is missing, too long or unsafe in a path.
   * - The value does not match the pattern of the variable.
   */
  expand(members: JsonMembers): string {
    if (this.#plain !== undefined) return this.#plain;
    return this.#parts.reduce((path, part) => `${path}/${"text" in part ? part.text : fill(part, members)}`, "") + this.#ending;
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

function fill({ field, pattern }: PathVariable, members: JsonMembers): string {
  const member = memberAt(members, field);
  const value = member && scalarText(member.source);
  if (value === undefined || value.length > VALUE_CHARS_MAX) throw payloadInvalid(field.join("."));
  const segments = pattern.length === 1 && pattern[0] === "*" ? [value] : value.split("/");
  if (!matches(segments, pattern) || !segments.every(staysInSegment)) throw payloadInvalid(field.join("."));
  return segments.map(encodeSegment).join("/");
}

/** Whether the segments of a value match the pattern of a variable. Only the last segment of a pattern can be `**`. */
function matches(segments: readonly string[], pattern: readonly PatternSegment[]): boolean {
  const isDeep = pattern.at(-1) === "**";
  const fixed = isDeep ? pattern.slice(0, -1) : pattern;
  if (isDeep ? segments.length < fixed.length : segments.length !== fixed.length) return false;
  return fixed.every((each, at) => typeof each === "string" || each.text === segments[at]);
}

/**
 * Whether a value stays one path segment at every server behind the gateway. A server may convert look-alikes, such as the
 * two-dot leader U+2025, to ASCII (Unicode NFKC). So the converted value must be safe too.
 */
function staysInSegment(value: string): boolean {
  if (value === "" || DOTS.test(value) || UNSAFE_VALUE.test(value)) return false;
  const converted = value.normalize("NFKC");
  return converted === value || !(DOTS.test(converted) || UNSAFE_VALUE.test(converted));
}

function encodeSegment(value: string): string {
  return encodeURIComponent(value).replace(FURTHER_RESERVED, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}
