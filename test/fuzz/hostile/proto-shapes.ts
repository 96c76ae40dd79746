/** Protobuf messages that may be expensive to parse: a repeated run of fields, at a place in a message. */
import type { Random } from "../fuzzer.ts";

type Fill = (size: number, random: Random) => Uint8Array;

const utf8 = new TextEncoder();
const bytes = (...each: number[]) => Uint8Array.from(each);

/** Base 128 (Protobuf, "Encoding"). */
export function varint(value: number): Uint8Array {
  const octets: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) octets.push((rest % 0x80) | 0x80);
  return Uint8Array.from([...octets, rest]);
}

/** A field of wire type 2. */
export function delimited(field: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([varint(field * 8 + 2), varint(value.byteLength), value]);
}

const text = (field: number, value: string) => delimited(field, utf8.encode(value));

function repeat(unit: Uint8Array, size: number): Uint8Array {
  return Buffer.alloc(Math.max(1, Math.floor(size / unit.byteLength)) * unit.byteLength, unit);
}

const LONG_VARINT = bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
const over = (unit: Uint8Array) => (size: number) => repeat(unit, size);
const noise = (size: number, random: Random) => Uint8Array.from({ length: size }, () => random.below(256));
const letters = (letter: string, size: number) => repeat(utf8.encode(letter), size);
const nested = (start: Uint8Array, end: Uint8Array) => (size: number) => {
  const depth = Math.floor(size / (start.byteLength + end.byteLength));
  return Buffer.concat([repeat(start, depth * start.byteLength), repeat(end, depth * end.byteLength)]);
};
const GROUP = bytes(0x7b);
const GROUP_END = bytes(0x7c);

/** A whole message that is nothing but submessages in submessages of one field. */
function matryoshka(field: number, size: number): Uint8Array {
  let inner: Uint8Array = new Uint8Array(0);
  const layers: Uint8Array[] = [];
  for (let length = 0; length < size; ) {
    const head = Buffer.concat([varint(field * 8 + 2), varint(length)]);
    layers.push(head);
    length += head.byteLength;
  }
  inner = Buffer.concat(layers.reverse());
  return inner;
}

/** A run of fields. Field numbers are those of the gateway's messages; the envelope's are the same numbers again. */
export const PROTO_RUNS: Readonly<Record<string, Fill>> = {
  "unknown numbers": over(bytes(0x78, 0x01)),
  "unknown numbers of ten bytes": over(Buffer.concat([bytes(0x78), LONG_VARINT])),
  "unknown numbers under a long tag": over(Buffer.concat([varint(536_870_911 * 8), bytes(0x01)])),
  "unknown 32 bits": over(bytes(0x7d, 1, 2, 3, 4)),
  "unknown 64 bits": over(bytes(0x79, 1, 2, 3, 4, 5, 6, 7, 8)),
  "unknown empty bytes": over(bytes(0x7a, 0x00)),
  "unknown bytes": (size) => delimited(15, repeat(bytes(0x61), size)),
  "empty groups": over(bytes(0x7b, 0x7c)),
  "groups in groups": nested(GROUP, GROUP_END),
  "groups never closed": over(GROUP),
  "groups in groups, many": over(Buffer.concat([repeat(GROUP, 90), repeat(GROUP_END, 90)])),
  "groups of a number": over(bytes(0x7b, 0x08, 0x01, 0x7c)),
  "groups of field 1": over(bytes(0x0b, 0x0c)),
  "submessages in submessages": (size) => matryoshka(15, size),
  "envelopes in envelopes": (size) => matryoshka(1, size),
  "empty envelopes": over(bytes(0x0a, 0x00)),
  "envelopes of a version": over(delimited(1, text(1, "v1"))),
  "envelopes of an accent": over(delimited(1, text(1, "é"))),
  "envelopes of all fields": over(
    delimited(1, Buffer.concat([text(1, "v1"), text(2, "s"), text(3, "a.b"), bytes(0x20, 0x01), text(5, "r"), text(6, "h")])),
  ),
  "envelopes of a long number": over(delimited(1, Buffer.concat([bytes(0x20), LONG_VARINT]))),
  "envelopes of an unknown field": over(delimited(1, bytes(0x78, 0x01))),
  "empty payloads": over(bytes(0x12, 0x00)),
  "payloads of a byte": over(bytes(0x12, 0x01, 0x61)),
  "empty signatures": over(bytes(0x1a, 0x00)),
  timestamps: over(bytes(0x20, 0x01)),
  "timestamps of ten bytes": over(Buffer.concat([bytes(0x20), LONG_VARINT])),
  "timestamps that are too long": over(Buffer.concat([bytes(0x20), repeat(bytes(0xff), 11)])),
  "texts of a letter": over(text(1, "a")),
  "texts of an accent": over(text(1, "é")),
  "empty texts": over(text(5, "")),
  "a long text": (size) => text(2, "a".repeat(size)),
  "a long text of accents": (size) => text(2, "é".repeat(size >> 1)),
  "a long text with an accent at the end": (size) => text(2, `${"a".repeat(size)}é`),
  "a long text that is not UTF-8 at the end": (size) => delimited(2, Buffer.concat([letters("a", size), bytes(0xff)])),
  "a long text that is not UTF-8": (size) => delimited(2, repeat(bytes(0xc0), size)),
  "texts of sixteen": over(text(2, "é234567890123456")),
  "a long payload": (size, random) => delimited(2, noise(size, random)),
  "a long payload, all alike": (size) => delimited(2, repeat(bytes(0x61), size)),
  "payloads of five thousand": over(delimited(2, repeat(bytes(0x61), 5000))),
  "payloads of four thousand": over(delimited(2, repeat(bytes(0x61), 4000))),
  "wrong wire types": over(bytes(0x0d, 1, 2, 3, 4)),
  "tags of five bytes": over(bytes(0xf8, 0x80, 0x80, 0x80, 0x00, 0x01)),
  "field zero": over(bytes(0x00, 0x00)),
  noise,
  "one byte over and over": (size) => repeat(bytes(0xff), size),
  zeros: (size) => new Uint8Array(size),
  // Of reflection: the oneof's fields, which take each other's place, and the extension's submessage.
  questions: over(text(4, "a")),
  "questions of changing kinds": over(Buffer.concat([text(3, "a"), text(4, "b"), text(6, "c"), text(7, "d")])),
  "questions of a submessage": over(delimited(5, Buffer.concat([text(1, "a"), bytes(0x10, 0x01)]))),
};

const ENVELOPE = Buffer.concat([
  text(1, "v1"),
  text(2, "ds-1"),
  text(3, "user.profile.get"),
  bytes(0x20, 0x01),
  text(5, "request-1"),
]);

/** Where in a message the run stands. */
export const PROTO_PLACES: Readonly<Record<string, (run: Uint8Array) => Uint8Array>> = {
  "the message": (run) => run,
  "the envelope": (run) => delimited(1, run),
  "after the envelope": (run) => Buffer.concat([delimited(1, ENVELOPE), run]),
  "before the envelope": (run) => Buffer.concat([run, delimited(1, ENVELOPE)]),
  "the envelope, after its fields": (run) => delimited(1, Buffer.concat([ENVELOPE, run])),
  "before a cut": (run) => Buffer.concat([run, bytes(0x12, 0x7f, 0x00)]),
  "before what is not UTF-8": (run) => Buffer.concat([run, delimited(1, delimited(1, bytes(0xff)))]),
};
