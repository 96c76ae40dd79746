import { createRequire } from "node:module";
import { resolve } from "node:path";
import { type ParsedText, ParseError, type TextPosition } from "./parsed-text.ts";
import { redactedKey } from "./problem.ts";

/** TOML 1.0. A duplicate key is a syntax error in TOML, so `duplicates` is empty. */
export function parseToml(text: string, path: string): ParsedText {
  try {
    return { value: Bun.TOML.parse(text), duplicates: [] };
  } catch (cause) {
    throw new ParseError(redactedMessage(cause instanceof Error ? cause.message : ""), positionOfError(path));
  }
}

const REDEFINED = /Cannot redefine [\w -]*'(.*?)'(?: as .*)?$/s;
/** The part of a message before it quotes anything except punctuation. */
const UNQUOTED = /^(?:[^"'`]|'[^\p{L}\p{N}]')*/u;

/** Bun's parser quotes the word at which it fails. The word may be a secret whose quotation marks are missing. */
function redactedMessage(message: string): string {
  const [, key] = REDEFINED.exec(message) ?? [];
  if (key !== undefined) return `${redactedKey(key)} is given twice, expected once`;
  const [unquoted = ""] = UNQUOTED.exec(message.replace(/^TOML Parse error: /, "")) ?? [];
  return `not TOML: ${unquoted.replace(/:? *$/, "")}`;
}

/** `Bun.TOML.parse` reports no position. Bun's module loader reports one when it loads the same file. */
function positionOfError(path: string): TextPosition | undefined {
  const file = resolve(path);
  try {
    createRequire(file)(file);
  } catch (error) {
    if (error instanceof BuildMessage && error.position) return error.position;
  }
  return undefined;
}
