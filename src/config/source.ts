import { ParseError } from "./parsed-text.ts";
import { type ConfigKey, SCHEMA } from "./schema.ts";

/** One value as a source gave it. */
export interface RawSetting {
  readonly key: ConfigKey;
  readonly raw: unknown;
  /** Where it came from, for messages: a file's path, a variable, a flag. */
  readonly origin: string;
}

/** What one source gave, and what could not be understood of it. */
export interface SourceValues {
  readonly given: readonly RawSetting[];
  readonly problems: readonly string[];
}

/** Adds the value that a text gives to a key, or what is wrong with the text. */
export function addText(
  { key, text, origin }: { readonly key: ConfigKey; readonly text: string; readonly origin: string },
  given: RawSetting[],
  problems: string[],
): void {
  try {
    given.push({ key, raw: SCHEMA[key].decoder.fromText(text), origin });
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    problems.push(`${key} (${origin}): ${error.message}`);
  }
}
