/** An element of the outermost array, or a field of the outermost object, as source text. */
export interface JsonChild {
  /** The source text of the name, with quotes and escapes; `undefined` in an array. */
  readonly nameSource: string | undefined;
  /** The decoded name; `undefined` in an array. */
  readonly name: string | undefined;
  /** The source text of the value. */
  readonly source: string;
}

/** Thrown if a text is not JSON, or if different JSON parsers would read it differently. */
export class JsonTextError extends Error {
  /**
   * The field with the error:
   * - If a name occurs twice in one object: this name.
   * - If a string contains a lone surrogate: the field of the outermost object that contains this string. If the outermost value
   *   is not an object: `undefined`.
   * - If the text is not JSON: `undefined`.
   */
  readonly field: string | undefined;

  constructor(problem: string, field?: string) {
    super(problem);
    this.name = "JsonTextError";
    this.field = field;
  }
}

/**
 * Scans a JSON text (RFC 8259) once and passes each child of the outermost value to `onChild`.
 *
 * Throws `JsonTextError` if the text is not JSON, or if JSON parsers may read it differently (RFC 7493 2.1, 2.3):
 * - A string contains a lone surrogate.
 * - One object contains the same name twice, even if the two names are escaped differently.
 *
 * The scan does not recurse, and takes O(n log n) time. It finds duplicate names by sorting and not by hashing, because an
 * attacker can choose names whose hashes collide.
 */
export function scanJson(text: string, onChild?: (child: JsonChild) => void): void {
  new JsonScanner(text, onChild).run();
}

/** Removes the white space of JSON (RFC 8259 2) from both ends of a text. `String.trim` also removes other characters. */
export function trimJson(text: string): string {
  const start = skipSpace(text, 0);
  let end = text.length;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Decodes the source text of a string that `scanJson` has accepted. */
export function stringValue(source: string): string {
  return source.includes("\\") ? String(JSON.parse(source)) : source.slice(1, -1);
}

const [QUOTE, BACKSLASH, COMMA, COLON, MINUS, PLUS, POINT] = [0x22, 0x5c, 0x2c, 0x3a, 0x2d, 0x2b, 0x2e];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];
const [ZERO, NINE, LOWER_E, UPPER_E, LOWER_U] = [0x30, 0x39, 0x65, 0x45, 0x75];

/** An array or object that is not closed yet. For an object: its names so far, in order. For an array: `undefined`. */
type Open = string[] | undefined;

/**
 * Scans one JSON text. Each method takes the current position as an argument and returns the new one. Storing the position in a
 * field would make the scanner several times slower.
 */
class JsonScanner {
  readonly #text: string;
  readonly #onChild: ((child: JsonChild) => void) | undefined;
  readonly #open: Open[] = [];
  /** The source text of the name of the current field in the outermost object. */
  #nameSource: string | undefined;
  #name: string | undefined;

  constructor(text: string, onChild: ((child: JsonChild) => void) | undefined) {
    this.#text = text;
    this.#onChild = onChild;
  }

  run(): void {
    const text = this.#text;
    const open = this.#open;
    let at = skipSpace(text, 0);
    let childStart = 0;
    for (;;) {
      if (open.length === 1) childStart = at;
      const code = text.charCodeAt(at);
      if (code === OPEN_BRACE || code === OPEN_BRACKET) {
        const names: Open = code === OPEN_BRACE ? [] : undefined;
        at = skipSpace(text, at + 1);
        if (text.charCodeAt(at) !== closeOf(names)) {
          open.push(names);
          if (names !== undefined) at = this.#readName(names, at);
          continue;
        }
        at++;
      } else at = this.#scalar(code, at);
      at = this.#closeAfter(at, childStart);
      if (open.length === 0) break;
    }
    if (skipSpace(text, at) < text.length) throw notJson();
  }

  /**
   * Closes the arrays and objects that end directly after a value. Returns the start of the next value. If the outermost value
   * is closed, returns its end.
   */
  #closeAfter(from: number, childStart: number): number {
    const text = this.#text;
    const open = this.#open;
    let at = from;
    while (open.length > 0) {
      const names = open[open.length - 1];
      if (open.length === 1) this.#emitChild(childStart, at);
      at = skipSpace(text, at);
      const code = text.charCodeAt(at++);
      if (code === COMMA) {
        at = skipSpace(text, at);
        return names === undefined ? at : this.#readName(names, at);
      }
      if (code !== closeOf(names)) throw notJson();
      if (names !== undefined) requireDistinct(names);
      open.pop();
    }
    return at;
  }

  #emitChild(start: number, end: number): void {
    if (this.#onChild === undefined) return;
    this.#onChild({ nameSource: this.#nameSource, name: this.#name, source: this.#text.slice(start, end) });
  }

  /** Reads a name and its colon. Returns the start of the value. */
  #readName(names: string[], start: number): number {
    const text = this.#text;
    if (text.charCodeAt(start) !== QUOTE) throw notJson();
    const end = endOfString(text, start);
    const source = text.slice(start, Math.abs(end));
    const name = stringValue(source);
    if (this.#open.length === 1) {
      this.#nameSource = source;
      this.#name = name;
    }
    if (end < 0) throw loneSurrogate(this.#name);
    names.push(name);
    const at = skipSpace(text, end);
    if (text.charCodeAt(at) !== COLON) throw notJson();
    return skipSpace(text, at + 1);
  }

  #scalar(code: number, at: number): number {
    if (code === QUOTE) {
      const end = endOfString(this.#text, at);
      if (end < 0) throw loneSurrogate(this.#name);
      return end;
    }
    return code === MINUS || isDigit(code) ? endOfNumber(this.#text, at) : endOfLiteral(this.#text, at);
  }
}

/** Matches the characters of a string up to a quote, an escape or a control character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: a control character ends the string
const PLAIN = /[^"\\\u0000-\u001f]*/y;

/**
 * Returns the position after a string (RFC 8259 7). If the string contains a lone surrogate, returns this position as a negative
 * number. Only a `\u` escape can produce a lone surrogate.
 */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  let isWhole = true;
  for (;;) {
    PLAIN.lastIndex = at;
    PLAIN.test(text);
    at = PLAIN.lastIndex;
    const code = text.charCodeAt(at);
    if (code === QUOTE) return isWhole ? at + 1 : -(at + 1);
    // Any other `code` is a control character or the end of the text. Neither is allowed in a string.
    if (code !== BACKSLASH) throw notJson();
    const end = endOfEscape(text, at);
    const unit = end - at === 2 ? 0 : unitAt(text, at);
    at = end;
    if (isLowSurrogate(unit)) isWhole = false;
    if (!isHighSurrogate(unit)) continue;
    if (text.startsWith("\\u", at) && isLowSurrogate(unitAt(text, at))) at += ESCAPED_UNIT_CHARS;
    else isWhole = false;
  }
}

const SHORT_ESCAPE = /[\\"/bfnrt]/;
const FOUR_HEX = /^[0-9a-fA-F]{4}$/;
const ESCAPED_UNIT_CHARS = 6;

function endOfEscape(text: string, start: number): number {
  if (text.charCodeAt(start + 1) !== LOWER_U) {
    if (!SHORT_ESCAPE.test(text.charAt(start + 1))) throw notJson();
    return start + 2;
  }
  unitAt(text, start);
  return start + ESCAPED_UNIT_CHARS;
}

/** Returns the UTF-16 unit of a `\uXXXX` escape. */
function unitAt(text: string, start: number): number {
  const digits = text.slice(start + 2, start + ESCAPED_UNIT_CHARS);
  if (!FOUR_HEX.test(digits)) throw notJson();
  return Number.parseInt(digits, 16);
}

/** Returns the position after a number (RFC 8259 6). */
function endOfNumber(text: string, start: number): number {
  let at = text.charCodeAt(start) === MINUS ? start + 1 : start;
  at = text.charCodeAt(at) === ZERO ? at + 1 : endOfDigits(text, at);
  if (text.charCodeAt(at) === POINT) at = endOfDigits(text, at + 1);
  const exponent = text.charCodeAt(at);
  if (exponent !== LOWER_E && exponent !== UPPER_E) return at;
  const sign = text.charCodeAt(at + 1);
  return endOfDigits(text, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
}

function endOfDigits(text: string, start: number): number {
  let at = start;
  while (isDigit(text.charCodeAt(at))) at++;
  if (at === start) throw notJson();
  return at;
}

function endOfLiteral(text: string, start: number): number {
  const literal = ["true", "false", "null"].find((each) => text.startsWith(each, start));
  if (literal === undefined) throw notJson();
  return start + literal.length;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** Up to this number of names, a comparison of all pairs finds duplicate names faster than sorting. */
const FEW_NAMES = 8;

function requireDistinct(names: string[]): void {
  const count = names.length;
  if (count < 2) return;
  const sorted = count > FEW_NAMES ? names.sort() : undefined;
  const twice = names.find((name, at) => (sorted === undefined ? names.indexOf(name) < at : sorted[at + 1] === name));
  if (twice !== undefined) throw new JsonTextError("duplicate name in one object", twice);
}

function closeOf(names: Open): number {
  return names === undefined ? CLOSE_BRACKET : CLOSE_BRACE;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

function notJson(): JsonTextError {
  return new JsonTextError("the text is not JSON");
}

function loneSurrogate(field: string | undefined): JsonTextError {
  return new JsonTextError("lone surrogate", field);
}
