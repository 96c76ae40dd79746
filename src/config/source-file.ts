import { extname } from "node:path";
import { pathShown, whyUnreadable } from "../core/file-problem.ts";
import { isObject } from "./decoder.ts";
import { parseToml } from "./parse-toml.ts";
import { parseJson, parseYaml } from "./parse-yaml.ts";
import { type DuplicateKey, type ParsedText, ParseError } from "./parsed-text.ts";
import { redactedKey, redactedValue } from "./problem.ts";
import { CONFIG_KEYS, type ConfigKey, isConfigKey } from "./schema.ts";
import type { RawSetting, SourceValues } from "./source.ts";
import { suggest } from "./suggest.ts";

const PARSERS: Readonly<Record<string, (text: string, path: string) => ParsedText>> = {
  ".toml": parseToml,
  ".yaml": parseYaml,
  ".yml": parseYaml,
  ".json": parseJson,
};

/** The values of a configuration file. A file that cannot be read or parsed gives one problem, and nothing else. */
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
    return failed(`${origin}: cannot be read: ${whyUnreadable(cause)}`);
  }
  try {
    const { value, repeated } = parse(text, path);
    const { given, problems } = flatten(value ?? {}, origin);
    return { given, problems: [...repeated.map((key) => givenTwice(key, origin)), ...problems] };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const { position } = error;
    return failed(`${origin}${position === undefined ? "" : `:${position.line}:${position.column}`}: ${error.message}`);
  }
}

/** A value that a later one replaces is a setting that silently does nothing. */
function givenTwice({ path, line }: DuplicateKey, origin: string): string {
  return `${redactedKey(path.join("."))} (${origin}:${line}): given twice, expected once`;
}

/** No key has more names. An alias of YAML can make a table hold itself. */
const NAMES_MAX = 4;

/** Tables become dotted keys. A name with dots in quotation marks is the same key, spelt otherwise. */
function flatten(root: unknown, origin: string): SourceValues {
  if (!isObject(root)) return failed(`${origin}: got ${redactedValue(root)}, expected a table of settings`);
  const given = new Map<ConfigKey, RawSetting>();
  const problems: string[] = [];
  const walk = (table: Readonly<Record<string, unknown>>, prefix: string, names: number) => {
    for (const [name, raw] of Object.entries(table)) {
      const key = `${prefix}${name}`;
      const problem = (text: string) => problems.push(`${redactedKey(key)} (${origin}): ${text}`);
      if (isConfigKey(key)) {
        if (given.has(key)) problem("given twice, expected once");
        given.set(key, { key, raw, origin });
      } else if (isObject(raw) && Object.keys(raw).length > 0 && names < NAMES_MAX) walk(raw, `${key}.`, names + 1);
      else if (!isTable(key)) problem(`unknown key${suggest(key, CONFIG_KEYS)}`);
      else if (raw !== null && !isObject(raw)) problem(`got ${redactedValue(raw)}, expected a table`);
    }
  };
  walk(root, "", 1);
  return { given: [...given.values()], problems };
}

function isTable(key: string): boolean {
  return CONFIG_KEYS.some((each) => each.startsWith(`${key}.`));
}

function failed(problem: string): SourceValues {
  return { given: [], problems: [problem] };
}
