/** Every problem of a configuration. Each is one sentence that names its key and its source. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    super(`the configuration has ${count}:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** A name in a key is short words or a list index. Seeds, tokens and URLs do not match. */
const NAME = /^([A-Za-z_][A-Za-z0-9_-]{0,39}|\d{1,4}|<<)$/;

/** Variable names are longer than names in keys. A seed never matches: it has lower-case letters. */
const VARIABLE = /^SALLYPORT_[A-Z0-9_]{1,80}$/;

/** A key as a problem quotes it. Names that may be a misplaced secret or hold terminal escapes are hidden. */
export function redactedKey(key: string): string {
  return key
    .split(".")
    .map((name) => (NAME.test(name) || VARIABLE.test(name) ? name : "(a name that is not shown)"))
    .join(".");
}

/** A raw value as a problem quotes it. Only the type of a text, list or table is given, because it may be a misplaced secret. */
export function redactedValue(raw: unknown): string {
  if (raw === undefined || raw === null) return "nothing";
  if (typeof raw === "number" || typeof raw === "boolean" || typeof raw === "bigint") return String(raw);
  if (typeof raw === "string") return raw === "" ? "an empty text" : "a text that is not shown";
  return Array.isArray(raw) ? "a list" : "a table";
}
