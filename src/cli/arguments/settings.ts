import type { Arguments } from "./parse.ts";

/** Returns the options `--config` and `--set` as `loadConfig` reads them. */
export function settingsOf(parsed: Arguments): string[] {
  return ["config", "set"].flatMap((name) => parsed.values(name).flatMap((value) => [`--${name}`, value]));
}
