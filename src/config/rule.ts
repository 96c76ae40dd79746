import type { ValuePath } from "./problem.ts";
import type { Config, ConfigKey } from "./schema.ts";

/** A constraint between settings, or a setting that a command requires. */
export interface Rule {
  /** The settings that the rule depends on. */
  readonly keys: readonly ConfigKey[];
  /**
   * Returns a description of the problem, or the problems of single values. If the configuration obeys the rule, returns
   * `undefined` or an empty list.
   */
  violation(config: Config): string | readonly PlacedProblem[] | undefined;
}

/** A problem of one value inside a setting. */
export interface PlacedProblem {
  readonly key: ConfigKey;
  readonly at: ValuePath;
  readonly text: string;
}
