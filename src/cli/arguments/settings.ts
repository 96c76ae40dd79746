import type { Arguments } from "./parse.ts";
import { UsageError } from "./usage-error.ts";

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
