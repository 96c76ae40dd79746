import type { TextPosition } from "../core/json-syntax.ts";
import type { LineIndex } from "./line-index.ts";
import type { ValuePath } from "./problem.ts";

/** The result of parsing a configuration text. */
export interface ParsedText {
  readonly value: unknown;
  /** Keys that occur more than once in one table. In `value`, such a key has its last value. */
  readonly duplicates: readonly DuplicateKey[];
  /** The lines of the keys in the text. */
  readonly lines: LineIndex;
}

export interface DuplicateKey {
  /** The names of the enclosing tables, outermost first, then the name of the key. A list item is named by its index. */
  readonly path: ValuePath;
  readonly line: number;
}

/** A syntax error. The message names the kind of error. It never quotes the text, because the text may contain secrets. */
export class ParseError extends Error {
  readonly position: TextPosition | undefined;

  constructor(message: string, position?: TextPosition) {
    super(message);
    this.name = "ParseError";
    this.position = position;
  }
}
