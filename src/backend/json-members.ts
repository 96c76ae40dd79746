import { parseJsonObject, utf8Text } from "./json-body.ts";
import { payloadInvalid } from "./payload-invalid.ts";

/** One field of a payload: what it means, and the very text that was signed (a number keeps all of its digits). */
export interface JsonMember {
  readonly value: unknown;
  readonly source: string;
}

export type JsonMembers = ReadonlyMap<string, JsonMember>;

const NO_MEMBERS: JsonMembers = new Map();

/**
 * The top-level fields of a payload, in their order; an empty payload has none. PAYLOAD_INVALID for what is not a JSON object in
 * UTF-8, and for a name that occurs twice: parsers differ in which of the two they take.
 */
export function readMembers(payloadBytes: Uint8Array): JsonMembers {
  if (payloadBytes.byteLength === 0) return NO_MEMBERS;
  const text = utf8Text(payloadBytes);
  const object = parseJsonObject(text);
  if (text === undefined || object === undefined) throw payloadInvalid("payload");
  const members = new Map<string, JsonMember>();
  for (const [name, source] of memberSources(text)) {
    if (members.has(name)) throw payloadInvalid(name);
    members.set(name, { value: object[name], source });
  }
  return members;
}

/** Walks a text that `JSON.parse` has accepted as an object, so that nothing but its shape needs a look. */
function* memberSources(text: string): Generator<[name: string, source: string]> {
  let at = skipSpace(text, text.indexOf("{") + 1);
  while (text[at] !== "}") {
    if (text[at] === ",") at = skipSpace(text, at + 1);
    const nameEnd = endOfString(text, at);
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const valueEnd = endOfValue(text, valueStart);
    yield [String(JSON.parse(text.slice(at, nameEnd))), text.slice(valueStart, valueEnd)];
    at = skipSpace(text, valueEnd);
  }
}

function endOfValue(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return endOfString(text, start);
  return first === "{" || first === "[" ? endOfNested(text, start) : endOfWord(text, start);
}

function endOfNested(text: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const char = text[at];
    if (char === "{" || char === "[") depth++;
    if (char === "}" || char === "]") depth--;
    at = char === '"' ? endOfString(text, at) : at + 1;
  } while (depth > 0);
  return at;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function endOfWord(text: string, start: number): number {
  let at = start;
  while (!", }\t\n\r".includes(text.charAt(at))) at++;
  return at;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (" \t\n\r".includes(text.charAt(at))) at++;
  return at;
}
