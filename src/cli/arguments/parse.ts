import { parseArgs } from "node:util";
import { suggest } from "../../config/suggest.ts";
import type { CommandSpec, OptionSpec } from "./spec.ts";

/** The command line is wrong. The message quotes no value, because a value may be a secret. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/**
 * The syntax of an option name. Error messages quote an unknown option only if it has this syntax, because other text may be a
 * secret.
 */
const OPTION_NAME = /^[a-z][a-z-]{0,30}$/;

/** The arguments of a command, after they were checked against its `CommandSpec`. */
export interface Arguments {
  readonly positionals: readonly string[];
  /** True if the option was given. */
  has(name: string): boolean;
  /** The value of the option, or `undefined` if the option was not given. */
  value(name: string): string | undefined;
  /** All values of a repeatable option, in order. */
  values(name: string): readonly string[];
}

/**
 * Parses arguments: `--name value`, `--name=value` and `--flag`. Positionals that start with a dash must come after `--`. Throws
 * `UsageError`.
 */
export function parseArguments(spec: CommandSpec, args: readonly string[]): Arguments {
  const options = Object.fromEntries(
    spec.options.map((option) => [
      option.name,
      { type: option.value === undefined ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const found = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = optionOf(spec, token.rawName, token.name);
    const values = found.get(option.name) ?? [];
    if (values.length > 0 && !option.isRepeatable) throw new UsageError(`--${option.name} is given twice`);
    found.set(option.name, [...values, valueFor(option, token.value, token.inlineValue ?? false)]);
  }
  checkCount(spec, positionals.length);
  return {
    positionals,
    has: (name) => found.has(name),
    value: (name) => found.get(name)?.[0],
    values: (name) => found.get(name) ?? [],
  };
}

function optionOf(spec: CommandSpec, rawName: string, name: string): OptionSpec {
  const option = rawName.startsWith("--") ? spec.options.find((each) => each.name === name) : undefined;
  if (option !== undefined) return option;
  if (!OPTION_NAME.test(name)) throw new UsageError("an option is unknown");
  const names = spec.options.map((each) => `--${each.name}`);
  throw new UsageError(`${rawName} is not an option${suggest(rawName, names)}`);
}

function valueFor(option: OptionSpec, value: string | undefined, isInline: boolean): string {
  if (option.value === undefined) {
    if (isInline) throw new UsageError(`--${option.name} takes no value`);
    return "";
  }
  // In `--email --code 1`, the value of `--email` is missing. A value that starts with a dash must be written as
  // `--email=-value`.
  if (!value || (!isInline && value.startsWith("-"))) throw new UsageError(`--${option.name} needs a value: ${option.value}`);
  return value;
}

function checkCount(spec: CommandSpec, count: number): void {
  const missing = spec.positionals.filter(({ isRequired }) => isRequired)[count];
  if (missing !== undefined) throw new UsageError(`${missing.name} is missing`);
  const max = spec.positionals.length;
  if (count <= max) return;
  const names = spec.positionals.map(({ name }) => name).join(" and ");
  throw new UsageError(max === 0 ? "the command takes only options" : `only ${names} may stand beside the options`);
}

/** Returns the options `--config` and `--set` in the form that `loadConfig` expects. */
export function settingsOf(parsed: Arguments): string[] {
  return ["config", "set"].flatMap((name) => parsed.values(name).flatMap((value) => [`--${name}`, value]));
}

/** Returns the options for `loadConfig`. If `file` is given, it is used as `--config`. Throws `UsageError` if both are given. */
export function settingsWithFile(parsed: Arguments, file: string | undefined): string[] {
  if (file === undefined) return settingsOf(parsed);
  if (parsed.has("config")) throw new UsageError("the configuration file is given twice");
  return ["--config", file, ...settingsOf(parsed)];
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** Maximum duration: 24 h. It must be shorter than the longest delay of a JavaScript timer, which is 24.8 days. */
const DURATION_MS_MAX = 24 * 3_600_000;

/** Parses a duration such as `500ms`, `5s`, `2m` or `1h`. A number without a unit is in seconds. Throws `UsageError`. */
export function parseDuration(option: string, text: string): number {
  const [, number = "", unit = "s"] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = number === "" ? Number.NaN : Math.round(Number(number) * (UNIT_MS[unit] ?? Number.NaN));
  if (ms >= 1 && ms <= DURATION_MS_MAX) return ms;
  throw new UsageError(`--${option} must be a duration such as 500ms, 5s or 2m, at most 24h`);
}
