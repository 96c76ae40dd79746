import { type JsonSchema, orNull } from "./json-schema.ts";
import { parseJson } from "./parse-yaml.ts";
import { ParseError } from "./parsed-text.ts";
import { keyShown, redactedValue, type ValuePath } from "./problem.ts";
import { closest } from "./suggest.ts";

/** A problem of a raw value, or of a value inside it. */
export interface ValueProblem {
  /** The place of the wrong value inside the raw value. Empty if the raw value itself is wrong. */
  readonly at: ValuePath;
  /** What is wrong. An error message prints it after the setting key and the place. */
  readonly text: string;
}

/** The checked value, or the problems of the raw value. */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly ValueProblem[] };

/** Returns the result for a rejected raw value. `text` is its only problem, and concerns the whole value. */
export function rejected(text: string): { readonly ok: false; readonly problems: readonly ValueProblem[] } {
  return { ok: false, problems: [{ at: [], text }] };
}

/** Converts a raw value to a checked value. Raw values have the types that a file parser returns. */
export interface Decoder<T> {
  /** Describes the accepted values. Error messages print it after the word "expected". */
  readonly expected: string;
  decode(raw: unknown): Decoded<T>;
  /** Converts the text of an environment variable or a flag to a raw value. Throws `ParseError`. */
  fromText(text: string): unknown;
  /**
   * A JSON Schema of the raw values, for editors. It accepts each value that `decode` accepts. It may also accept values that
   * `decode` rejects.
   */
  readonly schema: JsonSchema;
  /** True if the decoder accepts an absent value. */
  readonly isOptional?: boolean;
}

export interface DecoderOptions {
  readonly fromText?: (text: string) => unknown;
  /** Describes a rejected raw value. The problem contains this text after the word "got". Default: `redactedValue`. */
  readonly show?: (raw: unknown) => string;
  /** Returns advice that is appended to the problem. The advice must not quote a value that may be a secret. */
  readonly hint?: (raw: unknown) => string | undefined;
  /** See `Decoder.schema`. Default: a schema that accepts every value. */
  readonly schema?: JsonSchema;
}

/** Creates a decoder. `read` returns the checked value, or `undefined` if it rejects the raw value. */
export function decoder<T>(
  expected: string,
  read: (raw: unknown) => T | undefined,
  { fromText = (text) => text, show = redactedValue, hint, schema = {} }: DecoderOptions = {},
): Decoder<T> {
  return {
    expected,
    fromText,
    schema,
    decode(raw) {
      const value = read(raw);
      if (value !== undefined) return { ok: true, value };
      const advice = hint?.(raw);
      return rejected(`got ${show(raw)}, expected ${expected}${advice === undefined ? "" : `; ${advice}`}`);
    },
  };
}

/** Returns a decoder that also accepts an absent value. An empty environment variable or flag counts as absent. */
export function optional<T>(inner: Decoder<T>): Decoder<T | undefined> {
  return {
    expected: inner.expected,
    schema: orNull(inner.schema),
    isOptional: true,
    fromText: (text) => (text === "" ? undefined : inner.fromText(text)),
    decode: (raw) => (raw === undefined || raw === null ? { ok: true, value: undefined } : inner.decode(raw)),
  };
}

/** Returns a decoder for a secret. It decodes like `inner`, but its problems never quote the value. */
export function hidden<T>(inner: Decoder<T>): Decoder<T> {
  return {
    ...inner,
    schema: { ...inner.schema, writeOnly: true },
    decode(raw) {
      const decoded = inner.decode(raw);
      return decoded.ok ? decoded : rejected(`got a value that is not shown, expected ${inner.expected}`);
    },
  };
}

export interface ListOptions {
  /** The plural noun for the items in error messages, such as "header names". */
  readonly plural: string;
  /** Minimum number of items. Default: 0. */
  readonly itemsMin?: number;
  readonly itemsMax: number;
  /** Whether a list with two equal items (`===`) is rejected. Default: false. */
  readonly areDistinct?: boolean;
}

/** Creates a decoder for a list. In an environment variable or a flag, the list is JSON, or items separated by commas. */
export function list<T>(item: Decoder<T>, options: ListOptions): Decoder<readonly T[]> {
  const { plural, itemsMin = 0, itemsMax, areDistinct = false } = options;
  const expected = `a list of ${plural} (${itemsMin === 0 ? "at most" : `${itemsMin} to`} ${itemsMax})`;
  return {
    expected,
    schema: { type: "array", items: item.schema, minItems: itemsMin, maxItems: itemsMax, uniqueItems: areDistinct },
    fromText: (text) => (text.trimStart().startsWith("[") ? fromJson(text) : splitAtCommas(text)),
    decode(raw) {
      if (!Array.isArray(raw) || raw.length < itemsMin || raw.length > itemsMax) {
        return rejected(`got ${redactedValue(raw)}, expected ${expected}${listAdvice(raw)}`);
      }
      const decoded = raw.map((value) => item.decode(value));
      const problems = decoded.flatMap((each, index) =>
        each.ok ? [] : each.problems.map((problem) => inside(index, problem)),
      );
      if (problems.length > 0) return { ok: false, problems };
      const value = decoded.flatMap((each) => (each.ok ? [each.value] : []));
      const repeated = value.findIndex((each, index) => value.indexOf(each) < index);
      if (areDistinct && repeated >= 0)
        return { ok: false, problems: [{ at: [repeated], text: "given twice, expected once" }] };
      return { ok: true, value };
    },
  };
}

function listAdvice(raw: unknown): string {
  if (isObject(raw)) return "; in TOML, write its name in two brackets: [[…]]";
  return typeof raw === "string" ? '; write a list: ["…", "…"]' : "";
}

/** Creates a decoder for an object. It rejects a field that is not in `fields`, because the name is probably misspelt. */
export function record<T extends Readonly<Record<string, unknown>>>(
  fields: { readonly [K in keyof T & string]: Decoder<T[K]> },
  expected: string,
): Decoder<T> {
  const names = Object.keys(fields);
  return {
    expected,
    schema: recordSchema(fields),
    fromText: fromJson,
    decode(raw) {
      if (!isObject(raw)) return rejected(`got ${redactedValue(raw)}, expected ${expected}`);
      const value: Record<string, unknown> = {};
      const problems: ValueProblem[] = Object.keys(raw)
        .filter((name) => !names.includes(name))
        .map((name) => ({ at: [name], text: unknownField(name, names) }));
      for (const [name, field] of Object.entries<Decoder<unknown>>(fields)) {
        const decoded = field.decode(raw[name]);
        if (!decoded.ok) problems.push(...decoded.problems.map((problem) => inside(name, problem)));
        else if (decoded.value !== undefined) value[name] = decoded.value;
      }
      // The cast is safe: each field of T was decoded by its own decoder.
      return problems.length > 0 ? { ok: false, problems } : { ok: true, value: value as T };
    },
  };
}

function unknownField(name: string, names: readonly string[]): string {
  const found = closest(name, names);
  return `unknown field${found === undefined ? `; the fields are ${names.join(", ")}` : ` (did you mean "${found}"?)`}`;
}

function recordSchema(fields: Readonly<Record<string, Decoder<unknown>>>): JsonSchema {
  const entries = Object.entries(fields);
  return {
    type: "object",
    properties: Object.fromEntries(entries.map(([name, { expected, schema }]) => [name, { description: expected, ...schema }])),
    required: entries.filter(([, { isOptional }]) => isOptional !== true).map(([name]) => name),
    additionalProperties: false,
  };
}

function inside(part: string | number, { at, text }: ValueProblem): ValueProblem {
  return { at: [part, ...at], text };
}

/** Returns true if a raw value is a table (an object with named fields). Returns false for dates and lists. */
export function isObject(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === "object" && raw !== null && Object.getPrototypeOf(raw) === Object.prototype;
}

/**
 * Parses JSON. Throws `ParseError` for a duplicate key. If the text is not JSON, returns the text itself. The decoder then reports
 * a wrong type.
 */
function fromJson(text: string): unknown {
  let parsed: ReturnType<typeof parseJson>;
  try {
    parsed = parseJson(text);
  } catch {
    return text;
  }
  const [duplicate] = parsed.duplicates;
  if (duplicate !== undefined) {
    const [first = "", ...rest] = duplicate.path;
    throw new ParseError(`${keyShown(String(first), rest)} is given twice, expected once`);
  }
  return parsed.value;
}

function splitAtCommas(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
