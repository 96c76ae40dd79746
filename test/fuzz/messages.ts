import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { mutate, type Random } from "./fuzzer.ts";

/** Messages for the decoders: usual, unusual and invalid. */

/** An encoded message, and whether this project's clients would encode it like this. */
export interface MessageCase {
  readonly bytes: Uint8Array;
  readonly isUsual: boolean;
}

const TEXTS = [
  "",
  "v1",
  "user.profile.get",
  "ds-07923986",
  "é",
  "😀 and so on",
  "\u0000",
  "\ufeffbom",
  "a".repeat(300),
  "ü".repeat(700),
];
const INTS = [0n, 1n, 1_760_755_250_767n, 2n ** 49n - 1n, 2n ** 49n, 2n ** 53n + 1n, 2n ** 63n - 1n, -1n, -(2n ** 63n)];

const plainText = (random: Random) => "x".repeat(random.below(40));
const text = (random: Random) => (random.below(3) === 0 ? random.pick(TEXTS) : plainText(random));
const bytesOf = (random: Random) => random.bytes(random.below(20) === 0 ? 6000 : 64);

/** Usual requests have ASCII text and a current timestamp. */
function request(random: Random, isUsual: boolean) {
  const sometimes = <T extends object>(field: T): Partial<T> => (random.below(8) === 0 ? {} : field);
  const textOf = isUsual ? plainText : text;
  const envelope = {
    ...sometimes({ protocolVersion: textOf(random) }),
    ...sometimes({ deviceSessionId: textOf(random) }),
    ...sometimes({ messageType: textOf(random) }),
    ...sometimes({ timestampMs: isUsual ? 1_760_755_250_767n : random.pick(INTS) }),
    ...sometimes({ requestId: textOf(random) }),
    ...sometimes({ payloadHash: bytesOf(random) }),
  };
  return create(ExecuteCommandRequestSchema, {
    ...sometimes({ envelope }),
    ...sometimes({ payloadBytes: bytesOf(random) }),
    ...sometimes({ signature: bytesOf(random) }),
  });
}

/** A case for the binary decoder. */
export function protoCase(random: Random): MessageCase {
  const isUsual = random.below(3) === 0;
  const whole = toBinary(ExecuteCommandRequestSchema, request(random, isUsual));
  if (isUsual) return { bytes: whole, isUsual };
  const bytes = mutateSometimes(random.below(2) === 0 ? whole : protoRecords(random, 0), random);
  return { bytes: Uint8Array.from(bytes), isUsual: false };
}

function mutateSometimes(bytes: Uint8Array, random: Random): Uint8Array {
  return random.below(2) === 0 ? mutate(bytes, random) : bytes;
}

type Record = (random: Random, depth: number) => Uint8Array;

/** Fields in any order and number, with known and unknown field numbers, with correct and other wire types. */
const RECORDS: readonly Record[] = [
  (random) => delimited(1 + random.below(7), Buffer.from(text(random))),
  (random) => delimited(1 + random.below(7), random.bytes(40)),
  (random, depth) => delimited(1, protoRecords(random, depth + 1)),
  (random) => Buffer.concat([tag(4, 0, random), varint(BigInt.asUintN(64, random.pick(INTS)), random)]),
  (random) => Buffer.concat([tag(random.below(40), random.below(8), random), random.bytes(12)]),
  (random) => Buffer.concat([tag(9, 5, random), Buffer.alloc(4, 1)]),
  (random) => Buffer.concat([tag(9, 1, random), Buffer.alloc(8, 1)]),
  (random, depth) => Buffer.concat([tag(12, 3, random), protoRecords(random, depth + 1), tag(12, 4, random)]),
  (random, depth) => {
    const once = RECORDS[random.below(2)]?.(random, depth) ?? new Uint8Array(0);
    return Buffer.concat(Array.from({ length: random.below(random.below(20) === 0 ? 1500 : 20) }, () => once));
  },
];

function protoRecords(random: Random, depth: number): Uint8Array {
  if (depth > 4) return new Uint8Array(0);
  return Buffer.concat(Array.from({ length: random.below(10) }, () => random.pick(RECORDS)(random, depth)));
}

function delimited(number: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([varint(BigInt((number << 3) | 2)), varint(BigInt(value.byteLength)), value]);
}

function tag(number: number, wireType: number, random: Random): Uint8Array {
  return varint(BigInt((number << 3) | wireType), random);
}

/** In as few bytes as it takes or, now and then, in more. */
function varint(value: bigint, random?: Random): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 127n || bytes.length === 0; rest >>= 7n) {
    if (rest <= 127n) return Uint8Array.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
    if (rest >> 7n <= 127n) return lengthened([...bytes, Number(rest >> 7n)], random);
  }
  return Uint8Array.from(bytes);
}

function lengthened(bytes: number[], random: Random | undefined): Uint8Array {
  if (random === undefined || random.below(10) !== 0) return Uint8Array.from(bytes);
  const last = bytes.pop() ?? 0;
  return Uint8Array.from([...bytes, last | 128, ...new Array(random.below(8)).fill(128), 0]);
}

const NUMBERS = [
  "0",
  "-1",
  "1e3",
  "1.0",
  "1e999",
  "9007199254740993",
  '"12"',
  '" 12"',
  '"0x1f"',
  '"1e3"',
  '""',
  "null",
  "true",
  '"é"',
  "[]",
  "{}",
];
const BASE64 = [
  '""',
  '"QUJD"',
  '"QQ=="',
  '"QQ"',
  '"-_-_"',
  '"+/+/"',
  '"Q"',
  '"Q U"',
  '"%"',
  '"QQ==QQ=="',
  "null",
  "7",
  '"\\/\\/8="',
];
const NAMES = [
  "envelope",
  "payloadBytes",
  "payload_bytes",
  "signature",
  "sign\\u0061ture",
  "later",
  "__proto__",
  "constructor",
  "é",
  "",
];
const ENVELOPE_NAMES = [
  "protocolVersion",
  "protocol_version",
  "deviceSessionId",
  "messageType",
  "timestampMs",
  "timestamp_ms",
  "requestId",
  "payloadHash",
  "x",
];

/** A case for the JSON decoder. */
export function jsonCase(random: Random): MessageCase {
  const isUsual = random.below(3) === 0;
  const whole = Buffer.from(toJsonString(ExecuteCommandRequestSchema, request(random, isUsual)));
  if (isUsual) return { bytes: Uint8Array.from(whole), isUsual };
  const bytes = mutateSometimes(random.below(2) === 0 ? whole : Buffer.from(jsonObject(NAMES, random, 0)), random);
  return { bytes: Uint8Array.from(bytes), isUsual: false };
}

function jsonObject(names: readonly string[], random: Random, depth: number): string {
  const members = Array.from({ length: random.below(6) }, () => {
    const name = random.pick(names);
    return `"${name}"${space(random)}:${space(random)}${jsonValue(name, random, depth)}`;
  });
  return `{${space(random)}${members.join(",")}${space(random)}}`;
}

function jsonValue(name: string, random: Random, depth: number): string {
  if (name === "envelope" && random.below(6) !== 0) return jsonObject(ENVELOPE_NAMES, random, depth + 1);
  const kind = random.below(8);
  if (kind === 0 && depth < 6) return `[${jsonValue("", random, depth + 1)},${jsonObject(NAMES, random, depth + 1)}]`;
  if (kind < 3) return random.pick(NUMBERS);
  return kind < 6 ? random.pick(BASE64) : JSON.stringify(text(random));
}

function space(random: Random): string {
  return random.below(6) === 0 ? random.pick([" ", "\n", "\t\r\n", "  "]) : "";
}
