import { parseJson } from "./parse-yaml.ts";
import { ParseError } from "./parsed-text.ts";
import { redactedKey, redactedValue } from "./problem.ts";
import { suggest } from "./suggest.ts";

/** The result of decoding a raw value. Each problem completes the sentence "<key>: …". */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Turns a raw value, as a file parser returns it, into a checked value. */
export interface Decoder<T> {
  /** Completes "expected …". */
  readonly expected: string;
  decode(raw: unknown): Decoded<T>;
  /** Converts the text of a variable or a flag to the raw value that a file would hold. Throws `ParseError`. */
  fromText(text: string): unknown;
}

export interface DecoderOptions {
  readonly fromText?: (text: string) => unknown;
  /** Quotes a raw value in a problem. */
  readonly show?: (raw: unknown) => string;
  /** Advice that is appended to the problem. It must not quote what may be a secret. */
  readonly hint?: (raw: unknown) => string | undefined;
}

/** A decoder for one value. `read` returns the value, or `undefined` to reject the raw value. */
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
      const advice = hint?.(raw);
      return { ok: false, problems: [`got ${show(raw)}, expected ${expected}${advice === undefined ? "" : `; ${advice}`}`] };
    },
  };
}

/** Also accepts an absent value. In a variable or a flag, an empty text counts as absent. */
export function optional<T>(inner: Decoder<T>): Decoder<T | undefined> {
  return {
    expected: inner.expected,
    fromText: (text) => (text === "" ? undefined : inner.fromText(text)),
    decode: (raw) => (raw === undefined || raw === null ? { ok: true, value: undefined } : inner.decode(raw)),
  };
}

/** Never quotes the value in a problem. */
export function hidden<T>(inner: Decoder<T>): Decoder<T> {
  return {
    ...inner,
    decode(raw) {
      const decoded = inner.decode(raw);
      return decoded.ok ? decoded : { ok: false, problems: [`got a value that is not shown, expected ${inner.expected}`] };
    },
  };
}

/** A list of items of one type. A variable or a flag holds JSON or comma-separated items. Each problem names the item's index. */
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

/** An object with these fields only. An unknown field is a problem, because it is probably misspelt. */
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
      // The cast is safe: each field of T was decoded by its own decoder.
      return problems.length > 0 ? { ok: false, problems } : { ok: true, value: value as T };
    },
  };
}

/** Whether a raw value is a table. Other objects, such as dates, are not. */
export function isObject(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === "object" && raw !== null && Object.getPrototypeOf(raw) === Object.prototype;
}

/** Text that is not JSON is returned unchanged; lists and objects reject it. */
function fromJson(text: string): unknown {
  let parsed: ReturnType<typeof parseJson>;
  try {
    parsed = parseJson(text);
  } catch {
    return text;
  }
  const [duplicate] = parsed.duplicates;
  if (duplicate !== undefined) throw new ParseError(`${redactedKey(duplicate.path.join("."))} is given twice, expected once`);
  return parsed.value;
}

function splitAtCommas(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
