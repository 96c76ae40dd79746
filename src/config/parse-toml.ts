import { createRequire } from "node:module";
import { resolve } from "node:path";
import type { TextPosition } from "../core/json-syntax.ts";
import { type ParsedText, ParseError } from "./parsed-text.ts";
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
  const kind = unquoted
    .replace(/:? *$/, "")
    .replace(/\(0x0[AD]\)/, "the end of the line")
    .replace(/\(0x[89A-F].\)/, "a character outside of ASCII");
  const [, advice = ""] = ADVICE.find(([pattern]) => pattern.test(kind)) ?? [];
  return `not TOML: ${kind}${advice === "" ? "" : `; ${advice}`}`;
}

/** What to do about each kind of error of Bun's TOML parser. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^Strings must be quoted/, 'write texts in "…"; booleans are true and false'],
  [/character outside of ASCII/, 'write texts in straight quotation marks: "…"'],
  [/^Unexpected character after a value/, 'write numbers without a unit, and texts in "…"'],
  [/^Expected '=' after a key but found ':'/, "TOML writes name = value; give a YAML file a name that ends in .yaml"],
  [/^Expected '=' after a key/, "write name = value"],
  [/^Invalid escape/, "write \\\\ for a backslash, or the text in '…'"],
  [/^Unterminated string/, "close the text with a quotation mark on its line"],
  [/^Expected a newline/, "write one name = value on each line, without a comma or semicolon at its end"],
  [/^Leading zeros/, "remove the leading zeros"],
];

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
