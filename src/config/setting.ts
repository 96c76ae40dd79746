import { type Decoder, hidden, optional } from "./decoder.ts";

/** One row of the settings table. */
export interface Setting<T> {
  readonly decoder: Decoder<T>;
  readonly default: T;
  /** The default in the spelling of a configuration file; `undefined` if the setting has no default. */
  readonly rawDefault: unknown;
  /** The description for operators, in Markdown. Its order: the mechanism, the consequence, when to change the setting. */
  readonly doc: string;
  /** True if the value is a secret. A secret must never appear in logs or errors. */
  readonly secret: boolean;
}

/**
 * Creates a setting with a default. `rawDefault` is written as in a configuration file, and decoded like a value from a file.
 */
export function setting<T>(decoder: Decoder<T>, rawDefault: unknown, doc: string): Setting<T> {
  const decoded = decoder.decode(rawDefault);
  if (!decoded.ok) throw new Error(`default: ${decoded.problems.map(({ text }) => text).join("; ")}`);
  return { decoder, default: decoded.value, rawDefault, doc, secret: false };
}

/** Creates a setting without a default. */
export function unset<T>(decoder: Decoder<T>, doc: string): Setting<T | undefined> {
  return { decoder: optional(decoder), default: undefined, rawDefault: undefined, doc, secret: false };
}

/** Creates a secret setting. It has no default. */
export function secret<T>(decoder: Decoder<T>, doc: string): Setting<T | undefined> {
  return { ...unset(hidden(decoder), doc), secret: true };
}
