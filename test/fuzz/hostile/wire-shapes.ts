/** Bytes of a whole connection: expensive framing instead of expensive messages. */
import { END_HEADERS, END_STREAM, encodeFields, encodeFrame, encodeIndexedField, FRAME } from "../../support/raw-h2.ts";

export interface WireInput {
  readonly name: string;
  readonly http: "1.1" | "2";
  readonly bytes: Uint8Array;
  /** Requests in the bytes; 0 for a flood, which only has a bound per byte. */
  readonly requests: number;
}

const PATH = "/sallyport.v1.Gateway/ExecuteCommand";
/** The initial window of a connection and a stream (RFC 9113 6.9.2): DATA that a client may send without waiting. */
const WINDOW_BYTES = 65_535;
/** Pieces of one body: eight times the limit at which it is refused. More pieces count as a flood on the connection. */
const PIECES = 4000;

const repeat = (unit: Uint8Array, times: number) => Buffer.alloc(unit.byteLength * times, unit);
const text = (value: string) => Buffer.from(value, "latin1");

const HEAD = `POST ${PATH} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/proto\r\n`;

function chunked(chunks: Uint8Array): Uint8Array {
  return Buffer.concat([text(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`), chunks, text("0\r\n\r\n")]);
}

/** Floods: the request is refused long before the bytes end. */
const HTTP1_FLOODS: Readonly<Record<string, Uint8Array>> = {
  "60,000 chunks of one byte": chunked(repeat(text("1\r\nx\r\n"), 60_000)),
  "a megabyte of chunks with extensions": chunked(repeat(text(`1;${"a=b;".repeat(20)}\r\nx\r\n`), 12_000)),
};

const HTTP1: Readonly<Record<string, Uint8Array>> = {
  "chunks of one byte": chunked(repeat(text("1\r\nx\r\n"), PIECES)),
  "chunks with extensions": chunked(repeat(text(`1;${"a=b;".repeat(20)}\r\nx\r\n`), PIECES >> 2)),
  "chunks with zeros before their length": chunked(repeat(text(`${"0".repeat(14)}1\r\nx\r\n`), PIECES)),
  "a trailer section": Buffer.concat([
    text(`${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n`),
    repeat(text("x-a: b\r\n"), 1000),
    text("\r\n"),
  ]),
  "many fields": text(`${HEAD}${"a:\r\n".repeat(3000)}Content-Length: 0\r\n\r\n`),
  "many long fields": text(`${HEAD}${`x-${"a".repeat(60)}: ${"b".repeat(60)}\r\n`.repeat(100)}Content-Length: 0\r\n\r\n`),
  "a long target": text(`POST ${PATH}?${"a".repeat(12_000)} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`),
  "a target of escapes": text(`POST /${"%2e/".repeat(3000)} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`),
  "a target of slashes": text(`GET ${"/a".repeat(6000)} HTTP/1.1\r\nHost: x\r\n\r\n`),
  "a query of fields": text(`GET /.well-known/jwks.json?${"a=b&".repeat(3000)} HTTP/1.1\r\nHost: x\r\n\r\n`),
  "blank lines before the request": text(`${"\r\n".repeat(6000)}${HEAD}Content-Length: 0\r\n\r\n`),
  "a head without an end": text(`${HEAD}${"x: y\r\n".repeat(8000)}`),
  "a body that was never announced": text(`${HEAD}\r\n${"x".repeat(60_000)}`),
};

const PREFACE = Buffer.concat([text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), encodeFrame(FRAME.settings, 0, 0, new Uint8Array(0))]);
const FIELDS: readonly (readonly [string, string])[] = [
  [":method", "POST"],
  [":path", PATH],
  [":scheme", "http"],
  [":authority", "edge.example"],
  ["content-type", "application/proto"],
];
const OPENED = encodeFrame(FRAME.headers, END_HEADERS, 1, encodeFields(FIELDS));
const ENDED = encodeFrame(FRAME.data, END_STREAM, 1, new Uint8Array(0));
const NOTHING = new Uint8Array(0);

const request = (frames: Uint8Array) => Buffer.concat([OPENED, frames, ENDED]);
const frames = (type: number, flags: number, stream: number, payload: Uint8Array, times: number) =>
  repeat(encodeFrame(type, flags, stream, payload), times);

/** A head in pieces: HEADERS, and CONTINUATION over and over. */
function inPieces(block: Uint8Array, piece: number): Uint8Array {
  const pieces = Array.from({ length: Math.ceil(block.byteLength / piece) }, (_, n) =>
    block.subarray(n * piece, (n + 1) * piece),
  );
  return Buffer.concat(
    pieces.map((part, n) => {
      const flags = n === pieces.length - 1 ? END_HEADERS : 0;
      return n === 0 ? encodeFrame(FRAME.headers, END_STREAM, 1, part) : encodeFrame(FRAME.continuation, flags, 1, part);
    }),
  );
}

/** RFC 7541 6.1: the youngest field of the dynamic table. */
const YOUNGEST = Uint8Array.of(0x80 | 62);

function manyRequests(count: number, after: (stream: number) => Uint8Array): Uint8Array {
  return Buffer.concat(
    Array.from({ length: count }, (_, n) => {
      const stream = 2 * n + 1;
      return Buffer.concat([encodeFrame(FRAME.headers, END_HEADERS, stream, encodeFields(FIELDS)), after(stream)]);
    }),
  );
}

const HTTP2: Readonly<Record<string, { readonly bytes: Uint8Array; readonly requests: number }>> = {
  "DATA of one byte": { bytes: request(frames(FRAME.data, 0, 1, text("x"), PIECES)), requests: 1 },
  "DATA of nothing": { bytes: request(frames(FRAME.data, 0, 1, NOTHING, PIECES)), requests: 1 },
  "DATA of padding": { bytes: request(frames(FRAME.data, 8, 1, Uint8Array.of(0), PIECES)), requests: 1 },
  "a window full of DATA of one byte": {
    bytes: request(frames(FRAME.data, 0, 1, text("x"), WINDOW_BYTES - 1)),
    requests: 0,
  },
  "CONTINUATION of a byte": { bytes: inPieces(encodeFields([...FIELDS, ["x-long", "a".repeat(8000)]]), 1), requests: 1 },
  "CONTINUATION of nothing": {
    bytes: Buffer.concat([
      encodeFrame(FRAME.headers, END_STREAM, 1, encodeFields(FIELDS)),
      frames(FRAME.continuation, 0, 1, NOTHING, 20_000),
      encodeFrame(FRAME.continuation, END_HEADERS, 1, NOTHING),
    ]),
    requests: 1,
  },
  "fields of the table": {
    bytes: encodeFrame(
      FRAME.headers,
      END_HEADERS | END_STREAM,
      1,
      Buffer.concat([encodeFields(FIELDS), encodeIndexedField("x-long", "a".repeat(3900)), repeat(YOUNGEST, 12_000)]),
    ),
    requests: 1,
  },
  "many small fields": {
    bytes: encodeFrame(
      FRAME.headers,
      END_HEADERS | END_STREAM,
      1,
      Buffer.concat([encodeFields(FIELDS), encodeIndexedField("a", ""), repeat(YOUNGEST, 400)]),
    ),
    requests: 1,
  },
  "resets right after": {
    bytes: manyRequests(500, (stream) => encodeFrame(FRAME.reset, 0, stream, Buffer.alloc(4))),
    requests: 500,
  },
  "requests of nothing": {
    bytes: manyRequests(90, (stream) => encodeFrame(FRAME.data, END_STREAM, stream, NOTHING)),
    requests: 90,
  },
  PING: { bytes: frames(FRAME.ping, 0, 0, Buffer.alloc(8), 10_000), requests: 0 },
  SETTINGS: { bytes: frames(FRAME.settings, 0, 0, NOTHING, 10_000), requests: 0 },
  "SETTINGS of many": { bytes: frames(FRAME.settings, 0, 0, repeat(Buffer.from([0, 3, 0, 0, 0, 100]), 2000), 10), requests: 0 },
  PRIORITY: { bytes: frames(FRAME.priority, 0, 1, Buffer.alloc(5), 10_000), requests: 0 },
  WINDOW_UPDATE: { bytes: frames(FRAME.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1]), 10_000), requests: 0 },
  "frames of no known type": { bytes: frames(0xbe, 0, 0, NOTHING, 20_000), requests: 0 },
};

/** The cost of the connection itself, which the connection limits bound. */
export const BARE_CONNECTIONS: readonly WireInput[] = [
  { name: "a connection", http: "1.1", bytes: text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), requests: 1 },
  { name: "a connection", http: "2", bytes: PREFACE, requests: 1 },
];

export const WIRES: readonly WireInput[] = [
  ...Object.entries(HTTP1).map(([name, bytes]) => ({ name, http: "1.1" as const, bytes, requests: 1 })),
  ...Object.entries(HTTP1_FLOODS).map(([name, bytes]) => ({ name, http: "1.1" as const, bytes, requests: 0 })),
  ...Object.entries(HTTP2).map(([name, { bytes, requests }]) => ({
    name,
    http: "2" as const,
    bytes: Buffer.concat([PREFACE, bytes]),
    requests,
  })),
];
