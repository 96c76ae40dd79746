import {
  JSON_BYTES_PER_ESCAPE,
  JSON_ESCAPES_MAX,
  JSON_NAME_BYTES_MAX,
  JSON_NUMBER_CHARACTERS_MAX,
  JSON_SPACE_BYTES_MAX,
  JSON_TOKENS_MAX,
  MESSAGE_DEPTH_MAX,
} from "./limits.ts";

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Checks a JSON text before it is parsed. Throws if the text exceeds a bound of limits.ts, or if a name occurs twice in one
 * object. The parser checks the syntax later.
 *
 * Native code searches for the end of each string, so long strings without escapes are fast to check.
 */
export function checkJsonBounds(bytes: Uint8Array): void {
  new JsonBounds(bytes, JSON_TOKENS_MAX, true).run();
}

/**
 * Checks the bounds of a JSON text as `checkJsonBounds` does, but with the token limit `tokensMax`. Names may occur twice in
 * one object.
 */
export function checkJsonCost(bytes: Uint8Array, tokensMax: number): void {
  new JsonBounds(bytes, tokensMax, false).run();
}

/** For an object that is not closed yet: its member names so far. For an array that is not closed yet: `undefined`. */
type OpenNames = Set<string> | undefined;

class JsonBounds {
  readonly #bytes: Uint8Array;
  readonly #areNamesDistinct: boolean;
  readonly #open: OpenNames[] = [];
  #at = 0;
  /** Whether the next string is the name of a member of an object. */
  #expectsName = false;
  #tokensLeft: number;
  #spaceLeft = JSON_SPACE_BYTES_MAX;
  #escapesLeft: number;
  /** Position of the next backslash after the checked bytes, or the length of the text if no backslash follows. */
  #backslashAt = -1;

  constructor(bytes: Uint8Array, tokensMax: number, areNamesDistinct: boolean) {
    this.#bytes = bytes;
    this.#tokensLeft = tokensMax;
    this.#areNamesDistinct = areNamesDistinct;
    this.#escapesLeft = JSON_ESCAPES_MAX + Math.floor(bytes.byteLength / JSON_BYTES_PER_ESCAPE);
  }

  run(): void {
    while (this.#at < this.#bytes.byteLength) {
      const byte = this.#bytes[this.#at] ?? 0;
      if (isSpace(byte)) {
        this.#at++;
        if (this.#spaceLeft-- === 0) throw new Error("too much white space");
      } else {
        if (this.#tokensLeft-- === 0) throw new Error("too many tokens");
        this.#token(byte);
      }
    }
  }

  #token(byte: number): void {
    if (byte === QUOTE) this.#string();
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#enter(byte === OPEN_BRACE);
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.#leave();
    else if (byte === COMMA || byte === COLON) this.#separate(byte === COMMA);
    else this.#scalar();
  }

  #enter(isObject: boolean): void {
    if (this.#open.length === MESSAGE_DEPTH_MAX) throw new Error("the message is nested too deeply");
    this.#open.push(isObject ? new Set() : undefined);
    this.#expectsName = isObject;
    this.#at++;
  }

  #leave(): void {
    this.#open.pop();
    this.#expectsName = false;
    this.#at++;
  }

  #separate(isComma: boolean): void {
    this.#expectsName = isComma && this.#open.at(-1) !== undefined;
    this.#at++;
  }

  /** Skips a number, `true`, `false` or `null`. */
  #scalar(): void {
    const start = this.#at;
    while (this.#at < this.#bytes.byteLength && !isDelimiter(this.#bytes[this.#at] ?? 0)) {
      if (this.#at++ - start === JSON_NUMBER_CHARACTERS_MAX) throw new Error("a number is too long");
    }
  }

  #string(): void {
    const start = this.#at + 1;
    const end = this.#endOfString(start);
    if (this.#expectsName) this.#name(start, end);
    this.#expectsName = false;
    this.#at = end + 1;
  }

  /** Returns the position of the closing quote. Without a closing quote, returns the length of the text. */
  #endOfString(start: number): number {
    const end = this.#find(QUOTE, start);
    if (this.#backslashAt < start) this.#backslashAt = this.#find(BACKSLASH, start);
    if (this.#backslashAt >= end) return end;
    let at = this.#backslashAt;
    for (; at < this.#bytes.byteLength; at++) {
      const byte = this.#bytes[at];
      if (byte === QUOTE) break;
      if (byte !== BACKSLASH) continue;
      if (this.#escapesLeft-- === 0) throw new Error("too many escapes");
      at++;
    }
    return at;
  }

  #find(byte: number, from: number): number {
    const at = this.#bytes.indexOf(byte, from);
    return at < 0 ? this.#bytes.byteLength : at;
  }

  #name(start: number, end: number): void {
    const names = this.#open.at(-1);
    if (names === undefined) return;
    if (end - start > JSON_NAME_BYTES_MAX) throw new Error("a name is too long");
    if (!this.#areNamesDistinct) return;
    const source = Buffer.prototype.latin1Slice.call(this.#bytes, start, end);
    const name = source.includes("\\") ? unescaped(source) : source;
    if (names.has(name)) throw new Error("a name occurs twice in one object");
    names.add(name);
  }
}

/** Decodes the escapes of a name. Input and result contain UTF-8 bytes as Latin-1 characters. */
function unescaped(source: string): string {
  const name: unknown = JSON.parse(`"${Buffer.from(source, "latin1").toString()}"`);
  return Buffer.from(String(name)).toString("latin1");
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDelimiter(byte: number): boolean {
  return (
    isSpace(byte) ||
    byte === COMMA ||
    byte === COLON ||
    byte === QUOTE ||
    byte === CLOSE_BRACE ||
    byte === CLOSE_BRACKET ||
    byte === OPEN_BRACE ||
    byte === OPEN_BRACKET
  );
}
