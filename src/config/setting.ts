import { type Decoder, hidden, optional } from "./decoder.ts";

/** One row of the settings table. */
export interface Setting<T> {
  readonly decoder: Decoder<T>;
  readonly default: T;
  /** The default as a file spells it; `undefined` if there is none. */
  readonly rawDefault: unknown;
  /** Markdown for operators: the mechanism first, then the consequence, then when to change it. */
  readonly doc: string;
  /** The value is a secret: it never appears in logs or errors. */
  readonly secret: boolean;
}

/** A setting with a default. The default is spelled as in a file and is decoded like any other value. */
export function setting<T>(decoder: Decoder<T>, rawDefault: unknown, doc: string): Setting<T> {
  const decoded = decoder.decode(rawDefault);
  if (!decoded.ok) throw new Error(`default: ${decoded.problems.join("; ")}`);
  return { decoder, default: decoded.value, rawDefault, doc, secret: false };
}

/** A setting without a default. */
export function unset<T>(decoder: Decoder<T>, doc: string): Setting<T | undefined> {
  return { decoder: optional(decoder), default: undefined, rawDefault: undefined, doc, secret: false };
}

/** A secret setting. It has no default. */
export function secret<T>(decoder: Decoder<T>, doc: string): Setting<T | undefined> {
  return { ...unset(hidden(decoder), doc), secret: true };
}
