/** What a configuration text holds. */
export interface ParsedText {
  readonly value: unknown;
  /** Keys that one table holds more than once; parsers keep the last of them, silently. */
  readonly repeated: readonly DuplicateKey[];
}

export interface DuplicateKey {
  /** The names from the root down; an item of a list is its index. */
  readonly path: readonly string[];
  readonly line: number;
}

export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** A text that cannot be parsed. The message names the kind of error and quotes nothing: the text may hold secrets. */
export class ParseError extends Error {
  readonly position: TextPosition | undefined;

  constructor(message: string, position?: TextPosition) {
    super(message);
    this.name = "ParseError";
    this.position = position;
  }
}
