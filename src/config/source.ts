import { ParseError } from "./parsed-text.ts";
import type { ValuePath } from "./problem.ts";
import { type ConfigKey, SCHEMA } from "./schema.ts";

/** One setting as a source contains it, before its value is decoded. */
export interface RawSetting {
  readonly key: ConfigKey;
  readonly raw: unknown;
  /** The name of the source in error messages: the path of a file, a variable, or a flag. */
  readonly origin: string;
  /** Returns the line of the value, or of a value inside it. Missing if the source has no lines. */
  readonly lineOf?: (at: ValuePath) => number | undefined;
}

/** Returns where a setting, or a value inside it, is set: `gateway.toml:12`, `variable SALLYPORT_LOG_LEVEL` or `flag --set`. */
export function originOf({ origin, lineOf }: Pick<RawSetting, "origin" | "lineOf">, at: ValuePath = []): string {
  const line = lineOf?.(at);
  return line === undefined ? origin : `${origin}:${line}`;
}

/** The settings of one source, and the problems found while reading it. */
export interface SourceValues {
  readonly settings: readonly RawSetting[];
  readonly problems: readonly string[];
  /** True if the source may contain settings that could not be read. */
  readonly isIncomplete?: boolean;
  /** The settings that misspelt keys probably stand for. Rules about these settings are skipped. */
  readonly misspelt?: readonly ConfigKey[] | undefined;
}

/**
 * Converts the text of a variable or a flag to a raw setting, and appends it to `settings`. If the text cannot be parsed,
 * appends a problem to `problems`.
 */
export function addText(
  { key, text, origin }: { readonly key: ConfigKey; readonly text: string; readonly origin: string },
  settings: RawSetting[],
  problems: string[],
): void {
  try {
    settings.push({ key, raw: SCHEMA[key].decoder.fromText(text), origin });
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    problems.push(`${key} (${origin}): ${error.message}`);
  }
}
