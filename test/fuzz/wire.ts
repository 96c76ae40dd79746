import { END_HEADERS, END_STREAM, encodeFields, encodeFrame, FRAME } from "../support/raw-h2.ts";
import { type Chance, spoil } from "./fuzzer.ts";

/** Bytes for a whole connection: valid ones, spoiled. */
export type Wire = (chance: Chance) => Uint8Array;

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const PATHS = ["/sallyport.v1.Gateway/ExecuteCommand", "/sallyport.v1.Gateway/SubscribeEvents", "/x", "*", ""];
const TYPES = [
  "application/grpc",
  "application/proto",
  "application/json",
  "application/grpc-web+proto",
  "application/connect+json",
];
const BODY = Buffer.from([0, 0, 0, 0, 2, 10, 0]);

/** A connection over HTTP/1.1 with a few requests on it, one after the other. */
export const http1Wire: Wire = (chance) => {
  const requests = Array.from({ length: 1 + chance.below(3) }, () => {
    const fields = Array.from({ length: chance.below(4) }, (_, n) => `X-${n}: ${chance.below(1_000_000)}\r\n`).join("");
    const framing = chance.pick([
      `Content-Length: ${BODY.byteLength}\r\n\r\n${BODY.toString("latin1")}`,
      `Transfer-Encoding: chunked\r\n\r\n7\r\n${BODY.toString("latin1")}\r\n0\r\n\r\n`,
      "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
      "\r\n",
    ]);
    const method = chance.pick(["POST", "GET", "OPTIONS", "PRI", "CONNECT"]);
    return `${method} ${chance.pick(PATHS)} HTTP/1.1\r\nHost: x\r\nContent-Type: ${chance.pick(TYPES)}\r\n${fields}${framing}`;
  });
  return spoil(Buffer.from(requests.join(""), "latin1"), chance);
};

/** A connection over HTTP/2: the preface, then frames in any order, each of which may be spoiled by itself. */
export const http2Wire: Wire = (chance) => {
  const frames = Array.from({ length: 1 + chance.below(12) }, () => anyFrame(chance));
  const whole = Buffer.concat([PREFACE, encodeFrame(FRAME.settings, 0, 0, new Uint8Array(0)), ...frames]);
  return chance.below(8) === 0 ? spoil(whole, chance) : whole;
};

function anyFrame(chance: Chance): Buffer {
  const [type, flags, payload] = chance.pick(FRAMES)(chance);
  const stream = chance.pick([0, 1, 1, 1, 3, 3, 5, 2, 0x7fffffff, 0xffffffff]);
  const isSpoiled = chance.below(3) === 0;
  const anyFlags = isSpoiled ? chance.below(256) : flags;
  const frame = encodeFrame(
    chance.below(16) === 0 ? chance.below(256) : type,
    anyFlags,
    stream,
    isSpoiled ? spoil(payload, chance) : payload,
  );
  // A length that is not the payload's.
  if (chance.below(12) === 0) frame.writeUIntBE(chance.pick([0, 1, 16_385, 0xffffff]), 0, 3);
  return frame;
}

type FrameParts = readonly [type: number, flags: number, payload: Uint8Array];

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const setting = (chance: Chance) => {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(chance.below(10));
  bytes.writeUInt32BE(chance.pick([0, 1, 100, 65_535, 0x7fffffff, 0xffffffff]), 2);
  return bytes;
};

const FRAMES: readonly ((chance: Chance) => FrameParts)[] = [
  (chance) => [FRAME.headers, END_HEADERS | chance.pick([0, END_STREAM]), fieldBlock(chance)],
  (chance) => [FRAME.headers, END_HEADERS | chance.pick([0, END_STREAM]), fieldBlock(chance)],
  (chance) => [FRAME.headers, chance.pick([0, END_STREAM]), fieldBlock(chance)],
  (chance) => [FRAME.continuation, chance.pick([0, END_HEADERS]), fieldBlock(chance)],
  (chance) => [FRAME.data, chance.pick([0, END_STREAM]), BODY.subarray(0, chance.below(8))],
  (chance) => [FRAME.settings, chance.pick([0, 0, 1]), setting(chance)],
  (chance) => [FRAME.windowUpdate, 0, uint32(chance.pick([0, 1, 65_535, 0x7fffffff]))],
  (chance) => [FRAME.ping, chance.pick([0, 1]), new Uint8Array(8)],
  (chance) => [FRAME.reset, 0, uint32(chance.below(16))],
  (chance) => [FRAME.priority, 0, Buffer.concat([uint32(chance.below(6)), Buffer.from([1])])],
  (chance) => [FRAME.goAway, 0, Buffer.concat([uint32(chance.below(6)), uint32(chance.below(16))])],
  () => [FRAME.pushPromise, END_HEADERS, uint32(2)],
];

function fieldBlock(chance: Chance): Uint8Array {
  const fields: (readonly [string, string])[] = [
    [":method", chance.pick(["POST", "POST", "POST", "GET", "CONNECT", ""])],
    [":path", chance.pick(PATHS)],
    [":scheme", "http"],
    [":authority", "x"],
    ["content-type", chance.pick(TYPES)],
    ["te", "trailers"],
  ];
  const extra: readonly (readonly [string, string])[] = [
    ["content-length", chance.pick(["0", "7", "-1", "99999999999999999999"])],
    ["grpc-timeout", chance.pick(["1n", "1S", "x"])],
    ["connection", "close"],
    ["Upper-Case", "x"],
    ["x-bin", "\u0000\r\n"],
    [":status", "200"],
    ["", "empty"],
  ];
  if (chance.below(2) === 0) fields.splice(chance.below(fields.length + 1), 0, chance.pick(extra));
  if (chance.below(6) === 0) fields.splice(chance.below(fields.length), 1);
  return encodeFields(fields);
}
