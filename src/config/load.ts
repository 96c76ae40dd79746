import { readFileSync } from "node:fs";
import { ConfigError } from "./problem.ts";
import { type Rule, ruleViolations } from "./rules.ts";
import { CONFIG_KEYS, type Config, type ConfigKey, SCHEMA } from "./schema.ts";
import type { RawSetting } from "./source.ts";
import { type Environment, FILE_VARIABLE, fromEnvironment } from "./source-environment.ts";
import { fromFile } from "./source-file.ts";
import { fromFlags } from "./source-flags.ts";

export interface ConfigSources {
  /** The arguments after the command's name. */
  readonly argv?: readonly string[];
  readonly env?: Environment;
  readonly readFile?: (path: string) => string;
  /** A command's own defaults: above the table's, below everything that the operator gave. */
  readonly overrides?: Partial<Config>;
  /** Told of the file if it holds secrets itself. */
  readonly onSecretFile?: (path: string) => void;
  /** What a command demands besides. */
  readonly rules?: readonly Rule[];
}

/**
 * The configuration, out of its sources. Later wins: defaults, overrides, file, environment, flags. Checked whole: throws one
 * `ConfigError` with every problem of every source, also of values that a later source replaces.
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const {
    argv = [],
    env = process.env,
    readFile = (path) => readFileSync(path, "utf8"),
    overrides = {},
    rules,
    onSecretFile,
  } = sources;
  const flags = fromFlags(argv);
  const path = flags.file ?? env[FILE_VARIABLE];
  const file = path ? fromFile(path, readFile) : { given: [], problems: [] };
  if (path && file.given.some(({ key }) => SCHEMA[key].secret)) onSecretFile?.(path);
  const environment = fromEnvironment(env);

  const decoded = decode([...file.given, ...environment.given, ...flags.given]);
  const config = resolve(overrides, decoded.values);
  const problems = [
    ...file.problems,
    ...environment.problems,
    ...flags.problems,
    ...decoded.problems,
    ...ruleViolations(config, decoded.failed, rules),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

interface DecodedValues {
  readonly values: ReadonlyMap<ConfigKey, unknown>;
  /** Keys of which some value was not what is expected. */
  readonly failed: ReadonlySet<ConfigKey>;
  readonly problems: readonly string[];
}

function decode(given: readonly RawSetting[]): DecodedValues {
  const values = new Map<ConfigKey, unknown>();
  const failed = new Set<ConfigKey>();
  const problems: string[] = [];
  for (const { key, raw, origin } of given) {
    const decoded = SCHEMA[key].decoder.decode(raw);
    if (decoded.ok) {
      values.set(key, decoded.value);
      continue;
    }
    failed.add(key);
    problems.push(...decoded.problems.map((problem) => `${key} (${origin}): ${problem}`));
  }
  return { values, failed, problems };
}

function resolve(overrides: Partial<Config>, values: ReadonlyMap<ConfigKey, unknown>): Config {
  const entries = CONFIG_KEYS.map((key) => {
    const value = values.has(key) ? values.get(key) : (overrides[key] ?? SCHEMA[key].default);
    return [key, value];
  });
  // A decoder's edge: every key has been decoded by its own kind.
  return Object.freeze(Object.fromEntries(entries)) as Config;
}
