import { createRequire } from "node:module";
import { resolve } from "node:path";
import { type ParsedText, ParseError, type TextPosition } from "./parsed-text.ts";
import { redactedKey } from "./problem.ts";

/** TOML 1.0, in which a key that is given twice is no TOML. */
export function parseToml(text: string, path: string): ParsedText {
  try {
    return { value: Bun.TOML.parse(text), repeated: [] };
  } catch (cause) {
    throw new ParseError(kindOf(cause instanceof Error ? cause.message : ""), positionOfError(path));
  }
}

const REDEFINED = /Cannot redefine [\w -]*'(.*?)'(?: as .*)?$/s;
/** As far as it quotes nothing but punctuation. */
const UNQUOTED = /^(?:[^"'`]|'[^\p{L}\p{N}]')*/u;

/** Bun's parser quotes the word that it fails at, which may be a secret without its quotation marks. */
function kindOf(message: string): string {
  const [, key] = REDEFINED.exec(message) ?? [];
  if (key !== undefined) return `${redactedKey(key)} is given twice, expected once`;
  const [kind = ""] = UNQUOTED.exec(message.replace(/^TOML Parse error: /, "")) ?? [];
  return `not TOML: ${kind.replace(/:? *$/, "")}`;
}

/** Bun's parser does not tell where a text is wrong. Bun's module loader, which reads the same file, does. */
function positionOfError(path: string): TextPosition | undefined {
  const file = resolve(path);
  try {
    createRequire(file)(file);
  } catch (error) {
    if (error instanceof BuildMessage && error.position) return error.position;
  }
  return undefined;
}
