import { readFileSync } from "node:fs";
import { runAtOnce, runInSlices, type Steps } from "../core/slices.ts";
import { ConfigError, keyShown } from "./problem.ts";
import { prefixProblems } from "./route-prefixes.ts";
import { readSchemas } from "./route-schemas.ts";
import type { Rule } from "./rule.ts";
import { ruleViolations } from "./rules.ts";
import { CONFIG_KEYS, type Config, type ConfigKey, SCHEMA } from "./schema.ts";
import { originOf, type RawSetting, type SourceValues } from "./source.ts";
import { type Environment, fromEnvironment } from "./source-environment.ts";
import { fromFile } from "./source-file.ts";
import { fromFlags } from "./source-flags.ts";
import { FILE_VARIABLE } from "./variables.ts";

export interface ConfigSources {
  /** The command-line arguments after the name of the command. */
  readonly argv?: readonly string[];
  readonly env?: Environment;
  readonly readFile?: (path: string) => string;
  /**
   * Defaults of the running command, for example of `dev`. They override the defaults of the schema. They are overridden by the
   * file, the environment and the flags.
   */
  readonly overrides?: Partial<Config>;
  /** Called with the path of the configuration file if the file contains secret settings. */
  readonly onSecretFile?: (path: string) => void;
  /** Additional rules of the running command. Example: `serve` requires a signing key. */
  readonly rules?: readonly Rule[];
}

/** A configuration and the problems of its sources. Use the configuration only if there are no problems. */
export interface Resolution {
  readonly config: Config;
  /** The raw values that take effect, with their sources. Defaults and `overrides` have no entry. */
  readonly settings: ReadonlyMap<ConfigKey, RawSetting>;
  readonly problems: readonly string[];
}

/** Like `resolveConfig`, but throws one `ConfigError` with all problems. */
export function loadConfig(sources: ConfigSources = {}): Config {
  return validConfig(resolveConfig(sources));
}

/** Like `loadConfig`, but handles requests between the schemas of routes, because many schemas take seconds. */
export async function loadConfigInSlices(sources: ConfigSources): Promise<Config> {
  return validConfig(await runInSlices(resolveSteps(sources)));
}

function validConfig({ config, problems }: Resolution): Config {
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/**
 * Reads the configuration from these sources: defaults, overrides, file, environment, flags. A later source overrides an
 * earlier one. Every value is checked, even if a later source overrides it.
 */
export function resolveConfig(sources: ConfigSources = {}): Resolution {
  return runAtOnce(resolveSteps(sources));
}

function* resolveSteps(sources: ConfigSources): Steps<Resolution> {
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
  const file: SourceValues = path ? fromFile(path, readFile) : { settings: [], problems: [] };
  if (path && file.settings.some(({ key }) => SCHEMA[key].secret)) onSecretFile?.(path);
  const environment = fromEnvironment(env);

  const all = [...file.settings, ...environment.settings, ...flags.settings];
  const decoded = decode(all);
  const withoutSchemas = resolve(overrides, decoded.values);
  const settingOf = (key: ConfigKey) => all.findLast((setting) => setting.key === key);
  const schemas = yield* readSchemas(withoutSchemas, { file: path, readFile, settingOf });
  const config = Object.freeze({ ...withoutSchemas, ...schemas.tables });
  const failed = new Set([...decoded.failed, ...[file, environment, flags].flatMap(({ misspelt = [] }) => misspelt)]);
  const problems = [
    ...file.problems,
    ...environment.problems,
    ...flags.problems,
    ...decoded.problems,
    // If `backend.route_prefixes` is invalid, `config` has the default prefixes. A check against these could reject valid routes.
    ...(failed.has("backend.route_prefixes") ? [] : prefixProblems(settingOf("routes"), config["backend.route_prefixes"])),
    ...schemas.problems,
    // A source that could not be read may contain the settings that a rule would report as missing. So the rules are skipped.
    ...(file.isIncomplete || flags.isIncomplete ? [] : ruleViolations(config, { ...decoded, failed }, rules)),
  ];
  return { config, settings: decoded.settings, problems };
}

interface DecodedValues {
  readonly values: ReadonlyMap<ConfigKey, unknown>;
  /** The raw value and the source of each value in `values`. */
  readonly settings: ReadonlyMap<ConfigKey, RawSetting>;
  /** The settings with at least one rejected value. */
  readonly failed: ReadonlySet<ConfigKey>;
  readonly problems: readonly string[];
}

function decode(all: readonly RawSetting[]): DecodedValues {
  const values = new Map<ConfigKey, unknown>();
  const settings = new Map<ConfigKey, RawSetting>();
  const failed = new Set<ConfigKey>();
  const problems: string[] = [];
  for (const setting of all) {
    const { key } = setting;
    const decoded = SCHEMA[key].decoder.decode(setting.raw);
    if (decoded.ok) {
      values.set(key, decoded.value);
      settings.set(key, setting);
      continue;
    }
    failed.add(key);
    problems.push(...decoded.problems.map(({ at, text }) => `${keyShown(key, at)} (${originOf(setting, at)}): ${text}`));
  }
  return { values, settings, failed, problems };
}

function resolve(overrides: Partial<Config>, values: ReadonlyMap<ConfigKey, unknown>): Config {
  const entries = CONFIG_KEYS.map((key) => {
    const value = values.has(key) ? values.get(key) : (overrides[key] ?? SCHEMA[key].default);
    return [key, value];
  });
  // The cast is safe: each value is an override, a default, or a result of the key's decoder.
  return Object.freeze(Object.fromEntries(entries)) as Config;
}
