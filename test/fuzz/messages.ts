import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { type Chance, spoil } from "./fuzzer.ts";

/** Messages for the decoders: as clients write them, as others might, and as nobody should. */

/** A message in one codec's bytes, and whether it is as this project's clients would write it. */
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

const plainText = (chance: Chance) => "x".repeat(chance.below(40));
const text = (chance: Chance) => (chance.below(3) === 0 ? chance.pick(TEXTS) : plainText(chance));
const bytesOf = (chance: Chance) => chance.bytes(chance.below(20) === 0 ? 6000 : 64);

/** The usual ones have text that is ASCII, and times of this age. */
function request(chance: Chance, isUsual: boolean) {
  const sometimes = <T extends object>(field: T): Partial<T> => (chance.below(8) === 0 ? {} : field);
  const textOf = isUsual ? plainText : text;
  const envelope = {
    ...sometimes({ protocolVersion: textOf(chance) }),
    ...sometimes({ deviceSessionId: textOf(chance) }),
    ...sometimes({ messageType: textOf(chance) }),
    ...sometimes({ timestampMs: isUsual ? 1_760_755_250_767n : chance.pick(INTS) }),
    ...sometimes({ requestId: textOf(chance) }),
    ...sometimes({ payloadHash: bytesOf(chance) }),
  };
  return create(ExecuteCommandRequestSchema, {
    ...sometimes({ envelope }),
    ...sometimes({ payloadBytes: bytesOf(chance) }),
    ...sometimes({ signature: bytesOf(chance) }),
  });
}

/** In binary. */
export function protoCase(chance: Chance): MessageCase {
  const isUsual = chance.below(3) === 0;
  const whole = toBinary(ExecuteCommandRequestSchema, request(chance, isUsual));
  if (isUsual) return { bytes: whole, isUsual };
  const bytes = spoilSometimes(chance.below(2) === 0 ? whole : protoRecords(chance, 0), chance);
  return { bytes: Uint8Array.from(bytes), isUsual: false };
}

function spoilSometimes(bytes: Uint8Array, chance: Chance): Uint8Array {
  return chance.below(2) === 0 ? spoil(bytes, chance) : bytes;
}

type Record = (chance: Chance, depth: number) => Uint8Array;

/** Fields in any order, as often as it happens, of known and unknown numbers, of the right wire type and of others. */
const RECORDS: readonly Record[] = [
  (chance) => delimited(1 + chance.below(7), Buffer.from(text(chance))),
  (chance) => delimited(1 + chance.below(7), chance.bytes(40)),
  (chance, depth) => delimited(1, protoRecords(chance, depth + 1)),
  (chance) => Buffer.concat([tag(4, 0, chance), varint(BigInt.asUintN(64, chance.pick(INTS)), chance)]),
  (chance) => Buffer.concat([tag(chance.below(40), chance.below(8), chance), chance.bytes(12)]),
  (chance) => Buffer.concat([tag(9, 5, chance), Buffer.alloc(4, 1)]),
  (chance) => Buffer.concat([tag(9, 1, chance), Buffer.alloc(8, 1)]),
  (chance, depth) => Buffer.concat([tag(12, 3, chance), protoRecords(chance, depth + 1), tag(12, 4, chance)]),
  (chance, depth) => {
    const once = RECORDS[chance.below(2)]?.(chance, depth) ?? new Uint8Array(0);
    return Buffer.concat(Array.from({ length: chance.below(chance.below(20) === 0 ? 1500 : 20) }, () => once));
  },
];

function protoRecords(chance: Chance, depth: number): Uint8Array {
  if (depth > 4) return new Uint8Array(0);
  return Buffer.concat(Array.from({ length: chance.below(10) }, () => chance.pick(RECORDS)(chance, depth)));
}

function delimited(number: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([varint(BigInt((number << 3) | 2)), varint(BigInt(value.byteLength)), value]);
}

function tag(number: number, wireType: number, chance: Chance): Uint8Array {
  return varint(BigInt((number << 3) | wireType), chance);
}

/** In as few bytes as it takes or, now and then, in more. */
function varint(value: bigint, chance?: Chance): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 127n || bytes.length === 0; rest >>= 7n) {
    if (rest <= 127n) return Uint8Array.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
    if (rest >> 7n <= 127n) return lengthened([...bytes, Number(rest >> 7n)], chance);
  }
  return Uint8Array.from(bytes);
}

function lengthened(bytes: number[], chance: Chance | undefined): Uint8Array {
  if (chance === undefined || chance.below(10) !== 0) return Uint8Array.from(bytes);
  const last = bytes.pop() ?? 0;
  return Uint8Array.from([...bytes, last | 128, ...new Array(chance.below(8)).fill(128), 0]);
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

/** In JSON. */
export function jsonCase(chance: Chance): MessageCase {
  const isUsual = chance.below(3) === 0;
  const whole = Buffer.from(toJsonString(ExecuteCommandRequestSchema, request(chance, isUsual)));
  if (isUsual) return { bytes: Uint8Array.from(whole), isUsual };
  const bytes = spoilSometimes(chance.below(2) === 0 ? whole : Buffer.from(jsonObject(NAMES, chance, 0)), chance);
  return { bytes: Uint8Array.from(bytes), isUsual: false };
}

function jsonObject(names: readonly string[], chance: Chance, depth: number): string {
  const members = Array.from({ length: chance.below(6) }, () => {
    const name = chance.pick(names);
    return `"${name}"${space(chance)}:${space(chance)}${jsonValue(name, chance, depth)}`;
  });
  return `{${space(chance)}${members.join(",")}${space(chance)}}`;
}

function jsonValue(name: string, chance: Chance, depth: number): string {
  if (name === "envelope" && chance.below(6) !== 0) return jsonObject(ENVELOPE_NAMES, chance, depth + 1);
  const kind = chance.below(8);
  if (kind === 0 && depth < 6) return `[${jsonValue("", chance, depth + 1)},${jsonObject(NAMES, chance, depth + 1)}]`;
  if (kind < 3) return chance.pick(NUMBERS);
  return kind < 6 ? chance.pick(BASE64) : JSON.stringify(text(chance));
}

function space(chance: Chance): string {
  return chance.below(6) === 0 ? chance.pick([" ", "\n", "\t\r\n", "  "]) : "";
}
