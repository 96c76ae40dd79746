import { createRequire } from "node:module";
import { resolve } from "node:path";
import { type ParsedText, ParseError, type TextPosition } from "./parsed-text.ts";
import { redactedKey } from "./problem.ts";
import { tomlLines } from "./toml-lines.ts";

/** Parses TOML 1.0. Returns no `duplicates`, because a duplicate key is a syntax error in TOML. Throws `ParseError`. */
export function parseToml(text: string, path: string): ParsedText {
  try {
    return { value: Bun.TOML.parse(text), duplicates: [], lines: tomlLines(text) };
  } catch (cause) {
    throw new ParseError(redactedMessage(cause instanceof Error ? cause.message : ""), positionOfError(path));
  }
}

const REDEFINED = /Cannot redefine [\w -]*'(.*?)'(?: as .*)?$/s;
/**
 * Matches an error message up to its first quoted word. Quoted punctuation, such as '=', is not a word and does not end the
 * match.
 */
const UNQUOTED = /^(?:[^"'`]|'[^\p{L}\p{N}]')*/u;

/**
 * Cuts an error message of Bun's TOML parser before its first quoted word. The word comes from the file and may be a secret.
 */
function redactedMessage(message: string): string {
  const [, key] = REDEFINED.exec(message) ?? [];
  if (key !== undefined) return `${redactedKey(key)} is given twice, expected once`;
  const [unquoted = ""] = UNQUOTED.exec(message.replace(/^TOML Parse error: /, "")) ?? [];
  return `not TOML: ${unquoted.replace(/:? *$/, "")}`;
}

/**
 * Returns the position of a syntax error, or `undefined` if the position is unknown. `Bun.TOML.parse` reports no position. So
 * this function imports the file as a module: the error of the import has the position.
 */
function positionOfError(path: string): TextPosition | undefined {
  const file = resolve(path);
  try {
    createRequire(file)(file);
  } catch (error) {
    if (error instanceof BuildMessage && error.position) return error.position;
  }
  return undefined;
}
