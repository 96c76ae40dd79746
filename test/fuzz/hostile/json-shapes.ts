/** JSON texts that may be expensive to parse: a value that grows with the size, at a place in a message. */
import type { Random } from "../fuzzer.ts";

/** Makes text of about `size` bytes. */
type Fill = (size: number, random: Random) => string;

const repeat = (unit: string, size: number) => unit.repeat(Math.max(1, Math.floor(size / Buffer.byteLength(unit))));
/** Random characters of an alphabet. */
function letters(alphabet: string, size: number, random: Random): string {
  const codes = Buffer.from(alphabet);
  const text = Buffer.alloc(size);
  for (let at = 0; at < size; at++) text[at] = codes[random.below(codes.byteLength)] ?? 0;
  return text.toString("latin1");
}

const digits = (size: number, random: Random) => letters("0123456789", size, random);
const listOf = (item: string) => (size: number) => `[${repeat(`${item},`, size)}${item}]`;
const quoted = (fill: Fill) => (size: number, random: Random) => `"${fill(size, random)}"`;
const chars = (unit: string) => quoted((size) => repeat(unit, size));

/** Joins what `each` gives for 0, 1, 2, … until it is as long as wanted. */
function joined(size: number, each: (n: number) => string, separator = ","): string {
  const parts: string[] = [];
  let length = 0;
  for (let n = 0; length < size; n++) {
    const part = each(n);
    parts.push(part);
    length += part.length + separator.length;
  }
  return parts.join(separator);
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const base64 = (size: number, random: Random) => letters(BASE64, size & ~3, random);

/** What can stand where a value is expected. */
export const JSON_VALUES: Readonly<Record<string, Fill>> = {
  "one digit over and over": (size) => repeat("9", size),
  "random digits": (size, random) => `1${digits(size, random)}`,
  "negative digits": (size) => `-${repeat("7", size)}`,
  "digits in quotes": quoted((size) => repeat("9", size)),
  "random digits in quotes": quoted((size, random) => `1${digits(size, random)}`),
  "zeros and a digit, in quotes": quoted((size) => `${repeat("0", size)}1`),
  "a long fraction": (size) => `0.${repeat("3", size)}`,
  "a fraction of zeros": (size) => `1.${repeat("0", size)}`,
  "a fraction of zeros, in quotes": quoted((size) => `1.${repeat("0", size)}`),
  "a long exponent": (size) => `1e${repeat("9", size)}`,
  "an exponent of zeros, in quotes": quoted((size) => `1e${repeat("0", size)}1`),
  "digits with an exponent": (size) => `${repeat("9", size)}e-${size}`,
  "hexadecimal in quotes": quoted((size) => `0x${repeat("f", size)}`),
  "plain text": chars("a"),
  "escaped NUL": chars("\\u0000"),
  "escaped newlines": chars("\\n"),
  "escaped surrogate pairs": chars("\\ud83d\\ude00"),
  "escaped halves of pairs": chars("\\ud800"),
  "two-byte characters": chars("é"),
  "four-byte characters": chars("😀"),
  "spaces in quotes": chars(" "),
  base64: quoted(base64),
  "base64, all alike": chars("AAAA"),
  "base64 with a bad end": quoted((size, random) => `${base64(size, random)}*`),
  "base64 with blanks": chars("AA A "),
  base64url: chars("_-_-"),
  "padding alone": chars("="),
  "arrays in arrays": (size) => `${"[".repeat(size >> 1)}${"]".repeat(size >> 1)}`,
  "arrays in arrays, never closed": (size) => "[".repeat(size),
  "objects in objects": (size) => `${'{"a":'.repeat(Math.floor(size / 6))}1${"}".repeat(Math.floor(size / 6))}`,
  "objects in objects, never closed": (size) => repeat('{"":', size),
  "arrays thirty deep, many": (size) => listOf(`${"[".repeat(30)}${"]".repeat(30)}`)(size),
  "empty arrays": listOf("[]"),
  "empty objects": listOf("{}"),
  "empty texts": listOf('""'),
  "short texts": listOf('"ab"'),
  zeros: listOf("0"),
  nulls: listOf("null"),
  "numbers over the top": listOf("1e999"),
  "numbers between two doubles": listOf("9007199254740993.00000000000000000001"),
  "small fractions": listOf("2.2250738585072011e-308"),
  "numbers of twenty random digits": (size, random) => `[${joined(size, () => `0.${digits(20, random)}`)}]`,
  "objects of one field": listOf('{"a":0}'),
  "objects of eight fields": listOf('{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0}'),
  "short fields, all different": (size) => `{${joined(size, (n) => `"${n.toString(36)}x":0`)}}`,
  "fields that count up": (size) => `{${joined(size, (n) => `"${n}":0`)}}`,
  "fields that count down": (size) => `{${joined(size, (n) => `"${1_000_000 - n}":0`)}}`,
  "fields far apart": (size) => `{${joined(size, (n) => `"${(n * 40_503) % 4_294_967}":0`)}}`,
  "one field over and over": (size) => `{${joined(size, () => '"a":0')}}`,
  "__proto__ over and over": (size) => `{${joined(size, () => '"__proto__":{}')}}`,
  "objects whose fields are all different": (size) => `[${joined(size, (n) => `{"${n.toString(36)}x":0}`)}]`,
  "one long field name": (size) => `{"${repeat("k", size)}":0}`,
  "one escaped field name": (size) => `{"${repeat("\\u0061", size)}":0}`,
  blanks: (size) => `${repeat(" ", size)}0`,
  "blank lines": (size) => `${repeat("\r\n", size)}0`,
  "blanks and a comma": (size) => `[0${repeat(" ", size)},]`,
  literals: listOf("true"),
};

/** Where in a message of the gateway's a value can stand. */
export const JSON_PLACES: Readonly<Record<string, (value: string) => string>> = {
  "the whole message": (value) => value,
  "an unknown field": (value) => `{"unknown":${value}}`,
  "an unknown field of the envelope": (value) => `{"envelope":{"unknown":${value}}}`,
  envelope: (value) => `{"envelope":${value}}`,
  timestampMs: (value) => `{"envelope":{"timestampMs":${value}}}`,
  timestamp_ms: (value) => `{"envelope":{"timestamp_ms":${value}}}`,
  messageType: (value) => `{"envelope":{"messageType":${value}}}`,
  deviceSessionId: (value) => `{"envelope":{"deviceSessionId":${value}}}`,
  payloadHash: (value) => `{"envelope":{"payloadHash":${value}}}`,
  payloadBytes: (value) => `{"payloadBytes":${value}}`,
  signature: (value) => `{"signature":${value}}`,
  "signature, after text that is not ASCII": (value) => `{"envelope":{"requestId":"é"},"signature":${value}}`,
  "before what is no JSON": (value) => `{"unknown":${value},"payloadBytes":"AA`,
  "after a field of a wrong type": (value) => `{"signature":{},"unknown":${value}}`,
  "a field twice": (value) => `{"payloadBytes":${value},"payloadBytes":${value}}`,
  "a field by both of its names": (value) => `{"payload_bytes":${value},"payloadBytes":${value}}`,
  // Of grpc.health.v1.Health and of reflection.
  service: (value) => `{"service":${value}}`,
  fileContainingSymbol: (value) => `{"fileContainingSymbol":${value}}`,
  host: (value) => `{"host":${value},"listServices":""}`,
};

/** Where in the body of a login call. */
export const REST_PLACES: Readonly<Record<string, (value: string) => string>> = {
  "the whole body": (value) => value,
  "an unknown field": (value) => `{"email":"ada@example.com","unknown":${value}}`,
  email: (value) => `{"email":${value}}`,
  metadata: (value) => `{"email":"ada@example.com","metadata":${value}}`,
  "metadata's value": (value) => `{"email":"ada@example.com","metadata":{"device":${value}}}`,
  challenge_id: (value) => `{"challenge_id":${value},"code":"123456","client_public_key":"AA=="}`,
  code: (value) => `{"challenge_id":"c-1","code":${value},"client_public_key":"AA=="}`,
  client_public_key: (value) => `{"challenge_id":"c-1","code":"123456","client_public_key":${value}}`,
  client_key_algorithm: (value) =>
    `{"challenge_id":"c-1","code":"123456","client_public_key":"AA==","client_key_algorithm":${value}}`,
};
