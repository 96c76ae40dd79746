import type { ConfigKey } from "./schema.ts";

/** One value as a source gave it. */
export interface Given {
  readonly key: ConfigKey;
  readonly raw: unknown;
  /** Where it came from, for messages: a file's path, a variable, a flag. */
  readonly origin: string;
}

/** What one source gave, and what could not be understood of it. */
export interface SourceValues {
  readonly given: readonly Given[];
  readonly problems: readonly string[];
}
