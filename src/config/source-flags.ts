import { redactedKey } from "./problem.ts";
import { type ConfigKey, isConfigKey } from "./schema.ts";
import { addText, type RawSetting, type SourceValues } from "./source.ts";
import { suggest } from "./suggest.ts";
import { unknownKey } from "./unknown-key.ts";

/** The settings of the command line, and the path after `--config`. */
export interface FlagValues extends SourceValues {
  readonly file: string | undefined;
}

const FLAGS = ["--config", "--set"];

/**
 * Reads `--config FILE` (or `--config=FILE`) and `--set key=value` (or `--set=key=value`). Every other argument is a problem.
 */
export function fromFlags(args: readonly string[]): FlagValues {
  const settings: RawSetting[] = [];
  const problems: string[] = [];
  const misspelt: ConfigKey[] = [];
  let file: string | undefined;
  let isIncomplete = false;
  for (let at = 0; at < args.length; at++) {
    const [flag, inline] = splitAtEquals(args[at] ?? "");
    if (!FLAGS.includes(flag)) {
      problems.push(unknownArgument(flag, at));
      isIncomplete = true;
      continue;
    }
    const value = inline ?? args[++at];
    if (value === undefined || value === "") {
      problems.push(`${flag}: expected ${flag === "--set" ? "key=value" : "a file"} after it`);
      isIncomplete = true;
    } else if (flag === "--set") addSetting(value, { settings, problems, misspelt });
    else if (file === undefined) file = value;
    else problems.push("--config: given twice, expected once");
  }
  return { settings, problems, misspelt, file, isIncomplete };
}

interface Found {
  readonly settings: RawSetting[];
  readonly problems: string[];
  readonly misspelt: ConfigKey[];
}

/**
 * Parses the argument of one `--set`. Adds the setting or a problem. A problem quotes only the key: the value may be a secret.
 */
function addSetting(argument: string, { settings, problems, misspelt }: Found): void {
  const [key, text] = splitAtEquals(argument);
  if (text === undefined) problems.push("--set: expected key=value after it");
  else if (!isConfigKey(key)) problems.push(`${redactedKey(key)} (flag --set): ${unknownKey(key, misspelt)}`);
  else addText({ key, text, origin: "flag --set" }, settings, problems);
}

const FLAG = /^--?[a-z][a-z._-]{0,39}$/;

/** Describes an unknown argument. Quotes it only if it looks like a flag, because any other argument may be a secret value. */
function unknownArgument(argument: string, index: number): string {
  const key = argument.replace(/^-+/, "");
  if (isConfigKey(key)) return `${argument}: expected "--set ${key}=…"`;
  if (FLAG.test(argument)) return `${argument}: unknown flag${suggest(argument, FLAGS)}`;
  return `argument ${index + 1} after the command: unexpected; it is not shown, because it may be a secret`;
}

function splitAtEquals(text: string): [string, string | undefined] {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
