import { printable } from "./printable.ts";
import type { Style } from "./style.ts";

/**
 * The functions of this file format JSON text without parsing its values. Numbers keep all their digits, and duplicate names
 * are kept. The input must be valid JSON.
 */

/** Maximum indentation, in levels. Without a maximum, the output would grow with the square of the nesting depth. */
const INDENT_LEVELS_MAX = 40;

/** Returns the JSON on one line, without white space between tokens. */
export function minifiedJson(text: string): string {
  return [...tokensOf(text)].join("");
}

/** Returns the JSON for people: indented, in colours, and without characters that control the terminal. */
export function prettyJson(text: string, style: Style): string {
  const out: string[] = [];
  let depth = 0;
  let previous = "";
  const newLine = () => `\n${"  ".repeat(Math.min(depth, INDENT_LEVELS_MAX))}`;
  const tokens = [...tokensOf(text)];
  for (const [at, token] of tokens.entries()) {
    const isClose = token === "}" || token === "]";
    if (isClose) depth--;
    const isEmpty = isClose && (previous === "{" || previous === "[");
    if ((isClose && !isEmpty) || (!isClose && (previous === "{" || previous === "[" || previous === ","))) out.push(newLine());
    if (token === "{" || token === "[") depth++;
    out.push(token === ":" ? ": " : coloured(token, tokens[at + 1] === ":", style));
    previous = token;
  }
  return out.join("");
}

function coloured(token: string, isName: boolean, style: Style): string {
  if (/^[{}[\],]$/.test(token)) return token;
  if (!token.startsWith('"')) return style.value(token);
  return isName ? style.name(printable(token)) : style.text(printable(token));
}

/** Yields the tokens of a JSON text (RFC 8259 2), without white space. */
function* tokensOf(text: string): Generator<string, void, undefined> {
  for (let at = 0; at < text.length; ) {
    const char = text.charAt(at);
    const end = char === '"' ? stringEnd(text, at) : /[{}[\],:\s]/.test(char) ? at + 1 : wordEnd(text, at);
    if (!/\s/.test(char)) yield text.slice(at, end);
    at = end;
  }
}

function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charAt(at) !== '"') at += text.charAt(at) === "\\" ? 2 : 1;
  return at + 1;
}

/** Returns the index after the number, `true`, `false` or `null` that starts at `start`. */
function wordEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && /[\w.+-]/.test(text.charAt(at))) at++;
  return at;
}
