import { redactedKey } from "./problem.ts";
import { CONFIG_KEYS, isConfigKey } from "./schema.ts";
import { addText, type RawSetting, type SourceValues } from "./source.ts";
import { suggest } from "./suggest.ts";

/** What the command line gave: settings, and maybe the configuration file. */
export interface FlagValues extends SourceValues {
  readonly file: string | undefined;
}

const FLAGS = ["--config", "--set"];

/** Reads `--config FILE` and `--set key=value`, also as `--config=FILE` and `--set=key=value`. Nothing else is an argument. */
export function fromFlags(args: readonly string[]): FlagValues {
  const given: RawSetting[] = [];
  const problems: string[] = [];
  let file: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const [flag, inline] = splitAtEquals(args[at] ?? "");
    if (!FLAGS.includes(flag)) {
      problems.push(unknownArgument(flag, at));
      continue;
    }
    const value = inline ?? args[++at];
    if (value === undefined || value === "")
      problems.push(`${flag}: expected ${flag === "--set" ? "key=value" : "a file"} after it`);
    else if (flag === "--set") addSetting(value, given, problems);
    else if (file === undefined) file = value;
    else problems.push("--config: given twice, expected once");
  }
  return { given, problems, file };
}

/** Quotes the key alone: what stands in the value's place may be a secret. */
function addSetting(argument: string, given: RawSetting[], problems: string[]): void {
  const [key, text] = splitAtEquals(argument);
  if (text === undefined) problems.push("--set: expected key=value after it");
  else if (!isConfigKey(key)) problems.push(`${redactedKey(key)} (flag --set): unknown key${suggest(key, CONFIG_KEYS)}`);
  else addText({ key, text, origin: "flag --set" }, given, problems);
}

const FLAG = /^--?[a-z][a-z._-]{0,39}$/;

/** Names what looks like a flag. Any other argument may be the value of one, and so a secret. */
function unknownArgument(argument: string, index: number): string {
  const key = argument.replace(/^-+/, "");
  if (isConfigKey(key)) return `${argument}: expected "--set ${key}=…"`;
  if (FLAG.test(argument)) return `${argument}: unknown flag${suggest(argument, FLAGS)}`;
  return `argument ${index + 1} after the command: unexpected; it is not shown, since it may be a secret`;
}

function splitAtEquals(text: string): [string, string | undefined] {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
