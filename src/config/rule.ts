import type { Config, ConfigKey } from "./schema.ts";

/** A constraint between settings, or a setting that a command requires. */
export interface Rule {
  /** The settings that the rule depends on. */
  readonly keys: readonly ConfigKey[];
  /** Returns a description of the problem, or `undefined` if the configuration obeys the rule. */
  violation(config: Config): string | undefined;
}
