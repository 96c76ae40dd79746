/** The result of parsing a configuration text. */
export interface ParsedText {
  readonly value: unknown;
  /** Keys that occur more than once in one table. `value` has the last occurrence. */
  readonly duplicates: readonly DuplicateKey[];
}

export interface DuplicateKey {
  /** The names from the root to the key. A list item's name is its index. */
  readonly path: readonly string[];
  readonly line: number;
}

export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** A syntax error. The message names the kind of error and never quotes the text, which may hold secrets. */
export class ParseError extends Error {
  readonly position: TextPosition | undefined;

  constructor(message: string, position?: TextPosition) {
    super(message);
    this.name = "ParseError";
    this.position = position;
  }
}
