import { extname } from "node:path";
import { absolutePathShown, pathShown, whyUnreadable } from "../core/file-problem.ts";
import { isObject } from "./decoder.ts";
import type { LineIndex } from "./line-index.ts";
import { parseToml } from "./parse-toml.ts";
import { parseJson, parseYaml } from "./parse-yaml.ts";
import { type DuplicateKey, type ParsedText, ParseError } from "./parsed-text.ts";
import { keyShown, redactedKey, redactedValue, type ValuePath } from "./problem.ts";
import { CONFIG_KEYS, type ConfigKey, isConfigKey } from "./schema.ts";
import { originOf, type RawSetting, type SourceValues } from "./source.ts";
import { unknownKey } from "./unknown-key.ts";

const PARSERS: Readonly<Record<string, (text: string, path: string) => ParsedText>> = {
  ".toml": parseToml,
  ".yaml": parseYaml,
  ".yml": parseYaml,
  ".json": parseJson,
};

/** Reads the settings of a configuration file. If the file cannot be read or parsed, the result has exactly one problem. */
export function fromFile(path: string, readFile: (path: string) => string): SourceValues {
  const parse = PARSERS[extname(path).toLowerCase()];
  const origin = pathShown(path);
  if (parse === undefined) {
    return failed(`${origin}: expected a name that ends in ${Object.keys(PARSERS).join(", ")}`);
  }
  let text: string;
  try {
    text = readFile(path);
  } catch (cause) {
    return failed(`${absolutePathShown(path)}: cannot be read: ${whyUnreadable(cause)}`);
  }
  try {
    const { value, duplicates, lines } = parse(text, path);
    const { settings, problems, misspelt } = flatten(value ?? {}, origin, lines);
    return { settings, misspelt, problems: [...duplicates.map((key) => duplicateProblem(key, origin)), ...problems] };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const { position } = error;
    return failed(`${origin}${position === undefined ? "" : `:${position.line}:${position.column}`}: ${error.message}`);
  }
}

/** Returns the problem of a duplicate key. A duplicate key is refused, because only one of its values can take effect. */
function duplicateProblem({ path, line }: DuplicateKey, origin: string): string {
  const [first = "", ...inside] = path;
  return `${keyShown(String(first), inside)} (${origin}:${line}): given twice, expected once`;
}

/** Maximum number of names in a dotted setting key. It ends the recursion if a YAML alias makes a table contain itself. */
const NAMES_MAX = 4;

/**
 * Converts nested tables to dotted keys. A quoted name with dots, such as `"log.level"`, gives the same key as nested tables.
 */
function flatten(root: unknown, origin: string, lines: LineIndex): SourceValues {
  if (!isObject(root)) return failed(`${origin}: got ${redactedValue(root)}, expected a table of settings`);
  const settings = new Map<ConfigKey, RawSetting>();
  const problems: string[] = [];
  const misspelt: ConfigKey[] = [];
  const walk = (table: Readonly<Record<string, unknown>>, path: readonly string[]) => {
    for (const [name, raw] of Object.entries(table)) {
      // `$schema` tells editors which JSON Schema to use. It is no setting.
      if (name === "$schema" && path.length === 0) continue;
      const names = [...path, name];
      const key = names.join(".");
      const lineOf = (at: ValuePath) => lines.lineOf([...names, ...at]);
      const problem = (text: string) => problems.push(`${redactedKey(key)} (${originOf({ origin, lineOf })}): ${text}`);
      if (isConfigKey(key)) {
        if (settings.has(key)) problem("given twice, expected once");
        settings.set(key, { key, raw, origin, lineOf });
      } else if (isObject(raw) && Object.keys(raw).length > 0 && names.length < NAMES_MAX) walk(raw, names);
      else if (!isTable(key)) problem(unknownKey(key, misspelt));
      else if (raw !== null && !isObject(raw)) problem(`got ${redactedValue(raw)}, expected a table`);
    }
  };
  walk(root, []);
  return { settings: [...settings.values()], problems, misspelt };
}

function isTable(key: string): boolean {
  return CONFIG_KEYS.some((each) => each.startsWith(`${key}.`));
}

function failed(problem: string): SourceValues {
  return { settings: [], problems: [problem], isIncomplete: true };
}
