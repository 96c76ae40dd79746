/** A syntax error in a JSON text. The field `advice` never quotes the text, because the text may contain secrets. */
export interface JsonSyntaxError {
  readonly offset: number;
  readonly advice: string;
}

/** The place of an offset in a text. Both numbers start at 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

export function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

/** Matches the next token at `lastIndex`: a string, a number, a word or one other character. */
const TOKEN =
  /\s*(?:("(?:[^"\\\p{Cc}]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|true\b|false\b|null\b)|([{}[\],:])|($)|([\s\S]))/uy;

/** The kind of token that may come next. */
type Expected = "value" | "first name" | "first item" | "name" | "colon" | "separator" | "end";

/**
 * Finds the first syntax error of a text that is not JSON (RFC 8259). Returns `undefined` if it finds no error. `JSON.parse`
 * cannot be used, because its errors have no position.
 */
export function findJsonError(text: string): JsonSyntaxError | undefined {
  const closers: string[] = [];
  let expected: Expected = "value";
  TOKEN.lastIndex = 0;
  for (;;) {
    const match = TOKEN.exec(text);
    if (match === null) return undefined;
    const [whole, string, scalar, sign, end] = match;
    const offset = match.index + whole.length - whole.trimStart().length;
    if (end !== undefined)
      return expected === "end" ? undefined : { offset: text.length, advice: "the text ends too early; close each bracket" };
    const next = following(expected, { isString: string !== undefined, isScalar: scalar !== undefined, sign }, closers);
    if (next === undefined) return { offset, advice: adviceAt(text.slice(offset), expected) };
    expected = next;
  }
}

interface Token {
  readonly isString: boolean;
  readonly isScalar: boolean;
  readonly sign: string | undefined;
}

/** Returns the kind of token that may follow this token; `undefined` if this token is wrong here. */
function following(expected: Expected, { isString, isScalar, sign }: Token, closers: string[]): Expected | undefined {
  const afterValue = () => (closers.length === 0 ? "end" : "separator");
  const close = () => {
    closers.pop();
    return afterValue();
  };
  if (expected === "colon") return sign === ":" ? "value" : undefined;
  if (expected === "name" || expected === "first name") {
    if (isString) return "colon";
    return expected === "first name" && sign === "}" ? close() : undefined;
  }
  if (expected === "separator") {
    if (sign === ",") return closers.at(-1) === "}" ? "name" : "value";
    return sign !== undefined && sign === closers.at(-1) ? close() : undefined;
  }
  if (expected === "end") return undefined;
  if (expected === "first item" && sign === "]") return close();
  if (isString || isScalar) return afterValue();
  if (sign !== "{" && sign !== "[") return undefined;
  closers.push(sign === "{" ? "}" : "]");
  return sign === "{" ? "first name" : "first item";
}

function adviceAt(rest: string, expected: Expected): string {
  if (/^(\/\/|\/\*|#)/.test(rest)) return "JSON has no comments; remove them, or use TOML or YAML";
  if (/^'/.test(rest)) return 'write texts and names in "…"';
  if (/^[}\]]/.test(rest) && expected !== "separator") return "remove the comma before the bracket";
  if (expected === "separator" && /^["{[\w-]/.test(rest)) return "a comma is missing before this";
  if (expected === "name" || expected === "first name") return 'write the name in "…"';
  if (expected === "colon") return "a colon is missing after the name";
  if (expected === "end") return "remove what stands after the end";
  if (/^"/.test(rest)) return 'close the text with "; write \\\\ for a backslash, and \\n for a line end';
  return 'write texts in "…", and true, false, null and numbers without';
}
