import { hidden, type Kind, optional } from "./kind.ts";

/** One row of the configuration's table. */
export interface Setting<T> {
  readonly kind: Kind<T>;
  readonly default: T;
  /** The default as a file would hold it; `undefined` where there is none. */
  readonly rawDefault: unknown;
  /** For people who run the gateway: what it is, and why one would change it. Markdown. */
  readonly doc: string;
  /** A secret's value is never shown. */
  readonly secret: boolean;
}

/** A setting with a default, given as a file would hold it and checked like any other value. */
export function setting<T>(kind: Kind<T>, rawDefault: unknown, doc: string): Setting<T> {
  const decoded = kind.decode(rawDefault);
  if (!decoded.ok) throw new Error(`default: ${decoded.problems.join("; ")}`);
  return { kind, default: decoded.value, rawDefault, doc, secret: false };
}

/** A setting without a default. */
export function unset<T>(kind: Kind<T>, doc: string): Setting<T | undefined> {
  return { kind: optional(kind), default: undefined, rawDefault: undefined, doc, secret: false };
}

/** A setting without a default whose value is never shown. */
export function secret<T>(kind: Kind<T>, doc: string): Setting<T | undefined> {
  return { ...unset(hidden(kind), doc), secret: true };
}
