/** The error of an invalid configuration. `problems` has one text for each problem. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    super(`the configuration has ${count}:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** One part of a setting key: a short name, a list index or `<<`. Secrets, such as seeds, tokens and URLs, do not match. */
const NAME = /^([A-Za-z_][A-Za-z0-9_-]{0,39}|\d{1,4}|<<)$/;

/** The name of an environment variable of the gateway. A seed does not match, because it has lower-case letters. */
const VARIABLE = /^SALLYPORT_[A-Z0-9_]{1,80}$/;

/**
 * Returns a setting key for an error message. Hides each part that may be a misplaced secret or may contain terminal escapes.
 */
export function redactedKey(key: string): string {
  return key
    .split(".")
    .map((name) => (NAME.test(name) || VARIABLE.test(name) ? name : "(a name that is not shown)"))
    .join(".");
}

/** Describes a raw value for an error message. A text, list or table may contain a secret, so only its type is given. */
export function redactedValue(raw: unknown): string {
  if (raw === undefined || raw === null) return "nothing";
  if (typeof raw === "number" || typeof raw === "boolean" || typeof raw === "bigint") return String(raw);
  if (typeof raw === "string") return raw === "" ? "an empty text" : "a text that is not shown";
  if (Array.isArray(raw)) return "a list";
  return isDate(raw) ? "a date or time" : "a table";
}

/** Returns true for a date or time that a parser of TOML has converted to an object. */
export function isDate(raw: unknown): raw is object {
  return /^\[object (Temporal\.\w+|Date)\]$/.test(Object.prototype.toString.call(raw));
}

/** The place of a value inside another value: names of fields, and indexes of list items. */
export type ValuePath = readonly (string | number)[];

/** Returns the name of a value inside a setting, such as `routes[1].budget.rate`. Hides each name that may be a secret. */
export function keyShown(key: string, at: ValuePath): string {
  return at.reduce<string>(
    (shown, part) => (typeof part === "number" ? `${shown}[${part}]` : `${shown}.${redactedKey(part)}`),
    redactedKey(key),
  );
}
