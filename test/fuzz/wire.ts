import { END_HEADERS, END_STREAM, encodeFields, encodeFrame, FRAME } from "../support/raw-h2.ts";
import { mutate, type Random } from "./fuzzer.ts";

/** Generates the mutated bytes of a connection. */
export type Wire = (random: Random) => Uint8Array;

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const PATHS = ["/sallyport.v1.Gateway/ExecuteCommand", "/sallyport.v1.Gateway/SubscribeEvents", "/x", "*", ""];
const TYPES = [
  "application/grpc",
  "application/proto",
  "application/json",
  "application/grpc-web+proto",
  "application/grpc-web-text",
  "application/connect+json",
];
const BODY = Buffer.from([0, 0, 0, 0, 2, 10, 0]);

/** An HTTP/1.1 connection with a few requests. */
export const http1Wire: Wire = (random) => {
  const requests = Array.from({ length: 1 + random.below(3) }, () => {
    const fields = Array.from({ length: random.below(4) }, (_, n) => `X-${n}: ${random.below(1_000_000)}\r\n`).join("");
    const framing = random.pick([
      `Content-Length: ${BODY.byteLength}\r\n\r\n${BODY.toString("latin1")}`,
      `Transfer-Encoding: chunked\r\n\r\n7\r\n${BODY.toString("latin1")}\r\n0\r\n\r\n`,
      "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
      "\r\n",
    ]);
    const method = random.pick(["POST", "GET", "OPTIONS", "PRI", "CONNECT"]);
    return `${method} ${random.pick(PATHS)} HTTP/1.1\r\nHost: x\r\nContent-Type: ${random.pick(TYPES)}\r\n${fields}${framing}`;
  });
  return mutate(Buffer.from(requests.join(""), "latin1"), random);
};

/** An HTTP/2 connection: the preface, then frames in any order. Each frame may be mutated. */
export const http2Wire: Wire = (random) => {
  const frames = Array.from({ length: 1 + random.below(12) }, () => anyFrame(random));
  const whole = Buffer.concat([PREFACE, encodeFrame(FRAME.settings, 0, 0, new Uint8Array(0)), ...frames]);
  return random.below(8) === 0 ? mutate(whole, random) : whole;
};

function anyFrame(random: Random): Buffer {
  const [type, flags, payload] = random.pick(FRAMES)(random);
  const stream = random.pick([0, 1, 1, 1, 3, 3, 5, 2, 0x7fffffff, 0xffffffff]);
  const isMutated = random.below(3) === 0;
  const anyFlags = isMutated ? random.below(256) : flags;
  const frame = encodeFrame(
    random.below(16) === 0 ? random.below(256) : type,
    anyFlags,
    stream,
    isMutated ? mutate(payload, random) : payload,
  );
  // A wrong length field.
  if (random.below(12) === 0) frame.writeUIntBE(random.pick([0, 1, 16_385, 0xffffff]), 0, 3);
  return frame;
}

type FrameParts = readonly [type: number, flags: number, payload: Uint8Array];

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const setting = (random: Random) => {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(random.below(10));
  bytes.writeUInt32BE(random.pick([0, 1, 100, 65_535, 0x7fffffff, 0xffffffff]), 2);
  return bytes;
};

const FRAMES: readonly ((random: Random) => FrameParts)[] = [
  (random) => [FRAME.headers, END_HEADERS | random.pick([0, END_STREAM]), fieldBlock(random)],
  (random) => [FRAME.headers, END_HEADERS | random.pick([0, END_STREAM]), fieldBlock(random)],
  (random) => [FRAME.headers, random.pick([0, END_STREAM]), fieldBlock(random)],
  (random) => [FRAME.continuation, random.pick([0, END_HEADERS]), fieldBlock(random)],
  (random) => [FRAME.data, random.pick([0, END_STREAM]), BODY.subarray(0, random.below(8))],
  (random) => [FRAME.settings, random.pick([0, 0, 1]), setting(random)],
  (random) => [FRAME.windowUpdate, 0, uint32(random.pick([0, 1, 65_535, 0x7fffffff]))],
  (random) => [FRAME.ping, random.pick([0, 1]), new Uint8Array(8)],
  (random) => [FRAME.reset, 0, uint32(random.below(16))],
  (random) => [FRAME.priority, 0, Buffer.concat([uint32(random.below(6)), Buffer.from([1])])],
  (random) => [FRAME.goAway, 0, Buffer.concat([uint32(random.below(6)), uint32(random.below(16))])],
  () => [FRAME.pushPromise, END_HEADERS, uint32(2)],
];

function fieldBlock(random: Random): Uint8Array {
  const fields: (readonly [string, string])[] = [
    [":method", random.pick(["POST", "POST", "POST", "GET", "CONNECT", ""])],
    [":path", random.pick(PATHS)],
    [":scheme", "http"],
    [":authority", "x"],
    ["content-type", random.pick(TYPES)],
    ["te", "trailers"],
  ];
  const extra: readonly (readonly [string, string])[] = [
    ["content-length", random.pick(["0", "7", "-1", "99999999999999999999"])],
    ["grpc-timeout", random.pick(["1n", "1S", "x"])],
    ["connection", "close"],
    ["Upper-Case", "x"],
    ["x-bin", "\u0000\r\n"],
    [":status", "200"],
    ["", "empty"],
  ];
  if (random.below(2) === 0) fields.splice(random.below(fields.length + 1), 0, random.pick(extra));
  if (random.below(6) === 0) fields.splice(random.below(fields.length), 1);
  return encodeFields(fields);
}
