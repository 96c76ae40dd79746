import type { Arguments } from "./parse.ts";
import { UsageError } from "./usage-error.ts";

/** Returns the options `--config` and `--set` as `loadConfig` reads them. */
export function settingsOf(parsed: Arguments): string[] {
  return ["config", "set"].flatMap((name) => parsed.values(name).flatMap((value) => [`--${name}`, value]));
}

/** Returns the same with `file`, the configuration file that stands without its option. Throws `UsageError` if both name a file. */
export function settingsWithFile(parsed: Arguments, file: string | undefined): string[] {
  if (file === undefined) return settingsOf(parsed);
  if (parsed.has("config")) throw new UsageError("the configuration file is given twice");
  return ["--config", file, ...settingsOf(parsed)];
}
