import { nearest } from "./nearest.ts";
import { CONFIG_KEYS, isConfigKey, SCHEMA } from "./schema.ts";
import type { Given, SourceValues } from "./source.ts";

/** What the command line gave: settings, and maybe the configuration file. */
export interface FlagValues extends SourceValues {
  readonly file: string | undefined;
}

const FLAGS = ["--config", "--set"];

/** Reads `--config FILE` and `--set key=value`, also as `--config=FILE` and `--set=key=value`. Nothing else is an argument. */
export function fromFlags(args: readonly string[]): FlagValues {
  const given: Given[] = [];
  const problems: string[] = [];
  let file: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const [flag, inline] = splitAtEquals(args[at] ?? "");
    if (!FLAGS.includes(flag)) {
      problems.push(unknownArgument(flag));
      continue;
    }
    const value = inline ?? args[++at];
    if (value === undefined || value === "")
      problems.push(`${flag}: expected ${flag === "--set" ? "key=value" : "a file"} after it`);
    else if (flag === "--config") file = value;
    else addSetting(value, given, problems);
  }
  return { given, problems, file };
}

/** Quotes the key alone: what stands in the value's place may be a secret. */
function addSetting(argument: string, given: Given[], problems: string[]): void {
  const [key, text] = splitAtEquals(argument);
  if (text === undefined) problems.push("--set: expected key=value after it");
  else if (!isConfigKey(key)) problems.push(`${key} (flag --set): unknown key${nearest(key, CONFIG_KEYS)}`);
  else given.push({ key, raw: SCHEMA[key].kind.fromText(text), origin: "flag --set" });
}

function unknownArgument(argument: string): string {
  if (!argument.startsWith("-")) return `${argument}: unexpected argument`;
  const key = argument.replace(/^-+/, "");
  return isConfigKey(key)
    ? `${argument}: unknown flag (did you mean "--set ${key}=…"?)`
    : `${argument}: unknown flag${nearest(argument, FLAGS)}`;
}

function splitAtEquals(text: string): [string, string | undefined] {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
