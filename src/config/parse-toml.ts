import { createRequire } from "node:module";
import { resolve } from "node:path";
import { type ParsedText, ParseError, type TextPosition } from "./parsed-text.ts";
import { redactedKey } from "./problem.ts";

/** Parses TOML 1.0. A duplicate key is a syntax error in TOML, so `duplicates` is always empty. Throws `ParseError`. */
export function parseToml(text: string, path: string): ParsedText {
  try {
    return { value: Bun.TOML.parse(text), duplicates: [] };
  } catch (cause) {
    throw new ParseError(redactedMessage(cause instanceof Error ? cause.message : ""), positionOfError(path));
  }
}

const REDEFINED = /Cannot redefine [\w -]*'(.*?)'(?: as .*)?$/s;
/** The start of an error message, up to the first quoted word. Quoted punctuation, such as '=', is not a word. */
const UNQUOTED = /^(?:[^"'`]|'[^\p{L}\p{N}]')*/u;

/** Removes quoted words from an error message of Bun's TOML parser. The words come from the file, and may be part of a secret. */
function redactedMessage(message: string): string {
  const [, key] = REDEFINED.exec(message) ?? [];
  if (key !== undefined) return `${redactedKey(key)} is given twice, expected once`;
  const [unquoted = ""] = UNQUOTED.exec(message.replace(/^TOML Parse error: /, "")) ?? [];
  return `not TOML: ${unquoted.replace(/:? *$/, "")}`;
}

/** Finds the position of a syntax error by loading the file as a module. `Bun.TOML.parse` reports no position. */
function positionOfError(path: string): TextPosition | undefined {
  const file = resolve(path);
  try {
    createRequire(file)(file);
  } catch (error) {
    if (error instanceof BuildMessage && error.position) return error.position;
  }
  return undefined;
}
