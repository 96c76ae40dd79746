import { type Resolution, resolveConfig } from "../config/load.ts";
import { type ReportedSetting, reportSettings } from "../config/settings-report.ts";
import { tomlText } from "../config/toml-text.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import type { Output } from "./output/output.ts";
import { SERVE_DEFAULTS } from "./serve-defaults.ts";

/** Width of the first column, in characters. It contains the setting and its value. The second column names the source. */
const VALUE_WIDTH = 56;

/** `sallyport config print`: prints each setting with its value and its source. Problems go to standard error. */
export async function printConfig(argv: readonly string[], output: Output, isJson: boolean): Promise<ExitCode> {
  const resolution: Resolution = resolveConfig({ argv, overrides: SERVE_DEFAULTS });
  const settings = reportSettings(resolution, SERVE_DEFAULTS);
  if (isJson) await output.json(JSON.stringify(Object.fromEntries(settings.map(entryOf))));
  else await output.write(settings.flatMap((each) => linesOf(each, output).map((line) => `${line}\n`)).join(""));
  for (const problem of resolution.problems) output.note(`sallyport: ${problem}`);
  return resolution.problems.length === 0 ? EXIT.done : EXIT.usage;
}

function entryOf({ key, value, source, isHidden }: ReportedSetting): readonly [string, object] {
  return [key, { value: isHidden ? null : (value ?? null), source, ...(isHidden && { is_secret: true }) }];
}

/** Returns a setting as TOML. A secret or a setting without a value becomes a comment. Each table of a list has its own line. */
function linesOf({ key, value, source, isHidden, itemSources }: ReportedSetting, { style }: Output): readonly string[] {
  if (value === undefined) return [style.faint(`# ${key} is not set`)];
  const line = (text: string, from: string) => `${text.padEnd(VALUE_WIDTH)}  ${style.faint(`# ${from}`)}`;
  if (isHidden) return [line(`# ${key} is set and secret`, source)];
  if (!Array.isArray(value) || itemSources.length === 0) return [line(`${key} = ${tomlText(value)}`, source)];
  const items = value.map((item, index) => line(`  ${tomlText(item)},`, itemSources[index] ?? source));
  return [`${key} = [`, ...items, "]"];
}
