import { parseJson } from "./parse-yaml.ts";
import { ParseError } from "./parsed-text.ts";
import { redactedKey, redactedValue } from "./problem.ts";
import { suggest } from "./suggest.ts";

/** What became of a raw value: the value, or what is wrong with it. A problem completes "<key>: …". */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly string[] };

/** A kind of value: what is expected of it, and how it is read from a file or from text. */
export interface Decoder<T> {
  /** Completes "expected …". */
  readonly expected: string;
  decode(raw: unknown): Decoded<T>;
  /** The text of a variable or a flag, as the raw value that a file would have held. Throws `ParseError`. */
  fromText(text: string): unknown;
}

export interface DecoderOptions {
  readonly fromText?: (text: string) => unknown;
  /** How a problem quotes a raw value. */
  readonly show?: (raw: unknown) => string;
  /** What to write instead, or why not: follows the problem. Quotes nothing that may be a secret. */
  readonly hint?: (raw: unknown) => string | undefined;
}

/** A kind that `read` decides: it gives the value, or `undefined` where the raw value is not what is expected. */
export function decoder<T>(
  expected: string,
  read: (raw: unknown) => T | undefined,
  { fromText = (text) => text, show = redactedValue, hint }: DecoderOptions = {},
): Decoder<T> {
  return {
    expected,
    fromText,
    decode(raw) {
      const value = read(raw);
      if (value !== undefined) return { ok: true, value };
      const instead = hint?.(raw);
      return { ok: false, problems: [`got ${show(raw)}, expected ${expected}${instead === undefined ? "" : `; ${instead}`}`] };
    },
  };
}

/** The same kind, or nothing: an absent value, and the empty text of a variable that was set to nothing. */
export function optional<T>(inner: Decoder<T>): Decoder<T | undefined> {
  return {
    expected: inner.expected,
    fromText: (text) => (text === "" ? undefined : inner.fromText(text)),
    decode: (raw) => (raw === undefined || raw === null ? { ok: true, value: undefined } : inner.decode(raw)),
  };
}

/** A kind whose values are never shown. */
export function hidden<T>(inner: Decoder<T>): Decoder<T> {
  return {
    ...inner,
    decode(raw) {
      const decoded = inner.decode(raw);
      return decoded.ok ? decoded : { ok: false, problems: [`got a value that is not shown, expected ${inner.expected}`] };
    },
  };
}

/** A list of one kind; in text, JSON or comma-separated. Every item's problems are told, by index. */
export function list<T>(
  item: Decoder<T>,
  options: { readonly plural: string; readonly itemsMax: number },
): Decoder<readonly T[]> {
  const expected = `a list of ${options.plural} (at most ${options.itemsMax})`;
  return {
    expected,
    fromText: (text) => (text.trimStart().startsWith("[") ? fromJson(text) : splitAtCommas(text)),
    decode(raw) {
      if (!Array.isArray(raw) || raw.length > options.itemsMax) {
        return { ok: false, problems: [`got ${redactedValue(raw)}, expected ${expected}`] };
      }
      const decoded = raw.map((value) => item.decode(value));
      const problems = decoded.flatMap((each, index) => (each.ok ? [] : each.problems.map((p) => `item ${index}: ${p}`)));
      if (problems.length > 0) return { ok: false, problems };
      return { ok: true, value: decoded.flatMap((each) => (each.ok ? [each.value] : [])) };
    },
  };
}

/** An object with exactly these fields. An unknown field is a problem: it is most likely a misspelt one. */
export function record<T extends Readonly<Record<string, unknown>>>(
  fields: { readonly [K in keyof T & string]: Decoder<T[K]> },
  expected: string,
): Decoder<T> {
  const names = Object.keys(fields);
  return {
    expected,
    fromText: fromJson,
    decode(raw) {
      if (!isObject(raw)) return { ok: false, problems: [`got ${redactedValue(raw)}, expected ${expected}`] };
      const value: Record<string, unknown> = {};
      const problems = Object.keys(raw)
        .filter((name) => !names.includes(name))
        .map((name) => `${redactedKey(name)}: unknown field${suggest(name, names)}`);
      for (const [name, field] of Object.entries<Decoder<unknown>>(fields)) {
        const decoded = field.decode(raw[name]);
        if (!decoded.ok) problems.push(...decoded.problems.map((problem) => `${name}: ${problem}`));
        else if (decoded.value !== undefined) value[name] = decoded.value;
      }
      // A decoder's edge: every field of T has been decoded by its own kind.
      return problems.length > 0 ? { ok: false, problems } : { ok: true, value: value as T };
    },
  };
}

/** A table, and no other object, such as a date. */
export function isObject(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === "object" && raw !== null && Object.getPrototypeOf(raw) === Object.prototype;
}

/** Text that is not JSON stays text, which no list or object accepts. */
function fromJson(text: string): unknown {
  let parsed: ReturnType<typeof parseJson>;
  try {
    parsed = parseJson(text);
  } catch {
    return text;
  }
  const [twice] = parsed.repeated;
  if (twice !== undefined) throw new ParseError(`${redactedKey(twice.path.join("."))} is given twice, expected once`);
  return parsed.value;
}

function splitAtCommas(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
