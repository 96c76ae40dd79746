import { createRequire } from "node:module";
import { extname, resolve } from "node:path";
import { isObject, shown } from "./kind.ts";
import { nearest } from "./nearest.ts";
import { CONFIG_KEYS, isConfigKey } from "./schema.ts";
import type { Given, SourceValues } from "./source.ts";

const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  ".toml": Bun.TOML.parse,
  ".yaml": Bun.YAML.parse,
  ".yml": Bun.YAML.parse,
  ".json": JSON.parse,
};

/** The values of a configuration file. A file that cannot be read or parsed gives one problem, and nothing else. */
export function fromFile(path: string, readFile: (path: string) => string): SourceValues {
  const parse = PARSERS[extname(path).toLowerCase()];
  if (parse === undefined) {
    return failed(`${path}: expected a name that ends in ${Object.keys(PARSERS).join(", ")}`);
  }
  let text: string;
  try {
    text = readFile(path);
  } catch (cause) {
    return failed(`${path}: cannot be read: ${messageOf(cause)}`);
  }
  try {
    return flatten(parse(text) ?? {}, path);
  } catch (cause) {
    return failed(`${path}${positionOfError(path)}: ${withoutQuotes(messageOf(cause))}`);
  }
}

/** Tables become dotted keys. */
function flatten(root: unknown, origin: string): SourceValues {
  if (!isObject(root)) return failed(`${origin}: got ${shown(root)}, expected a table of settings`);
  const given: Given[] = [];
  const problems: string[] = [];
  const walk = (table: Readonly<Record<string, unknown>>, prefix: string) => {
    for (const [name, raw] of Object.entries(table)) {
      const key = `${prefix}${name}`;
      if (isConfigKey(key)) given.push({ key, raw, origin });
      else if (isObject(raw) && Object.keys(raw).length > 0) walk(raw, `${key}.`);
      else if (!isTable(key)) problems.push(`${key} (${origin}): unknown key${nearest(key, CONFIG_KEYS)}`);
      else if (raw !== null && !isObject(raw)) problems.push(`${key} (${origin}): got ${shown(raw)}, expected a table`);
    }
  };
  walk(root, "");
  return { given, problems };
}

function isTable(key: string): boolean {
  return CONFIG_KEYS.some((each) => each.startsWith(`${key}.`));
}

/** Bun's parsers keep to themselves where a text is wrong; Bun's module loader, which reads TOML and YAML files too, says it. */
function positionOfError(path: string): string {
  const file = resolve(path);
  try {
    createRequire(file)(file);
  } catch (error) {
    if (error instanceof BuildMessage && error.position) return `:${error.position.line}:${error.position.column}`;
  }
  return "";
}

function failed(problem: string): SourceValues {
  return { given: [], problems: [problem] };
}

/** A parser quotes the word that it stumbled over, which may be a secret whose quotation marks were forgotten. */
function withoutQuotes(message: string): string {
  return message.replace(/:? "[^"]*"/g, "");
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
