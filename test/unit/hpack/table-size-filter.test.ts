import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { Readable } from "node:stream";
import { FilteredSocket } from "../../../src/hpack/filtered-socket.ts";
import { encodeFrame, HEADERS, SETTINGS } from "../../../src/hpack/h2-frame-reader.ts";
import { huffmanLength } from "../../../src/hpack/huffman.ts";
import { mayHaveSmallTable, TableSizeFilter } from "../../../src/hpack/table-size-filter.ts";
import { FRAME, RawH2 } from "../../support/raw-h2.ts";
import { until } from "../../support/until.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const ACKNOWLEDGED = encodeFrame({ type: SETTINGS, flags: 1, stream: 0, payload: Buffer.alloc(0) });

/** A SETTINGS frame with these table sizes, in this order. */
function settings(...sizes: readonly number[]): Buffer {
  return encodeFrame({ type: SETTINGS, flags: 0, stream: 0, payload: settingsPayload(...sizes) });
}

function settingsPayload(...sizes: readonly number[]): Buffer {
  return Buffer.concat(sizes.map((size) => Buffer.from([0, 1, 0, 0, size >> 8, size & 255])));
}

function headers(block: readonly number[]): Buffer {
  return encodeFrame({ type: HEADERS, flags: 4, stream: 1, payload: Buffer.from(block) });
}

/** The field block of the HEADERS frame at the start of the bytes. */
function blockOf(bytes: Buffer): number[] {
  return [...bytes.subarray(9, 9 + bytes.readUIntBE(0, 3))];
}

/** `a: b` with incremental indexing, then a reference to that entry, then `a: b` as a literal (RFC 7541 6). */
const INDEXING = [0x40, 1, 0x61, 1, 0x62];
const REFERENCE = [0x80 | 62];
const LITERAL = [0x00, 1, 0x61, 1, 0x62];

describe("header blocks for a peer with a small table", () => {
  test.each([
    ["0", [0]],
    ["100", [100]],
    ["0, then 4096", [0, 4096]],
  ])("SETTINGS of %s: no field is indexed, and the first block starts with a size update to 0", (_, sizes) => {
    const filter = new TableSizeFilter("server");
    filter.receive(Buffer.concat([PREFACE, settings(...sizes)]));
    filter.send(ACKNOWLEDGED);
    expect(blockOf(filter.send(headers(INDEXING)))).toEqual([0x20, ...LITERAL]);
    expect(blockOf(filter.send(headers(REFERENCE)))).toEqual(LITERAL);
  });

  test.each([
    ["4096", [4096]],
    ["65,535", [65_535]],
    ["no size", []],
  ])("SETTINGS of %s: blocks are unchanged", (_, sizes) => {
    const filter = new TableSizeFilter("server");
    filter.receive(Buffer.concat([PREFACE, settings(...sizes)]));
    filter.send(ACKNOWLEDGED);
    expect(blockOf(filter.send(headers(INDEXING)))).toEqual(INDEXING);
    expect(blockOf(filter.send(headers(REFERENCE)))).toEqual(REFERENCE);
  });

  test("if the table shrinks later, references become literals, and a size update follows each acknowledgement", () => {
    const filter = new TableSizeFilter("client");
    expect(blockOf(filter.send(Buffer.concat([PREFACE, headers(INDEXING)])).subarray(PREFACE.length))).toEqual(INDEXING);
    filter.receive(settings(0));
    filter.receive(settings(10));
    expect(blockOf(filter.send(headers(REFERENCE)))).toEqual(LITERAL);
    for (let n = 0; n < 2; n++) {
      filter.send(ACKNOWLEDGED);
      expect(blockOf(filter.send(headers(REFERENCE)))).toEqual([0x20, ...LITERAL]);
    }
  });

  test("bytes may be split anywhere in both directions", () => {
    const sent = Buffer.concat([ACKNOWLEDGED, headers(INDEXING), headers(REFERENCE)]);
    const received = Buffer.concat([PREFACE, settings(0)]);
    const whole = new TableSizeFilter("server");
    whole.receive(received);
    const expected = whole.send(sent);
    const split = new TableSizeFilter("server");
    for (const byte of received) split.receive(Buffer.of(byte));
    const parts: Uint8Array[] = [];
    for (const byte of sent) parts.push(split.send(Buffer.of(byte)));
    expect(Buffer.concat(parts).equals(expected)).toBe(true);
  });

  test("mayHaveSmallTable reads a client's first SETTINGS, and is true if they are incomplete", () => {
    expect(mayHaveSmallTable(Buffer.concat([PREFACE, settings(0)]))).toBe(true);
    expect(mayHaveSmallTable(Buffer.concat([PREFACE, settings(4096)]))).toBe(false);
    expect(mayHaveSmallTable(Buffer.concat([PREFACE, settings()]))).toBe(false);
    expect(mayHaveSmallTable(PREFACE)).toBe(true);
    expect(mayHaveSmallTable(Buffer.concat([PREFACE, settings(4096)]).subarray(0, -1))).toBe(true);
  });

  test("huffmanLength agrees with the examples of RFC 7541, C.4 and C.6", () => {
    expect(huffmanLength(Buffer.from("f1e3c2e5f23a6ba0ab90f4ff", "hex"))).toBe("www.example.com".length);
    expect(huffmanLength(Buffer.from("a8eb10649cbf", "hex"))).toBe("no-cache".length);
    expect(huffmanLength(Buffer.from("d07abe941054d444a8200595040b8166e082a62d1bff", "hex"))).toBe(29);
    expect(
      huffmanLength(
        Buffer.from("94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007", "hex"),
      ),
    ).toBe("foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1".length);
  });
});

/** Random fields with few names and many values, which fill the table many times. */
function randomFields(): Record<string, string> {
  const pick = (max: number) => Math.floor(Math.random() * max);
  const text = () => Buffer.from(crypto.getRandomValues(new Uint8Array(pick(60)))).toString(pick(2) === 0 ? "hex" : "base64");
  const names = ["x-first", "x-second", "cache-control", "etag", "location", `x-${pick(40)}`];
  return Object.fromEntries(
    Array.from({ length: pick(8) }, () => [names[pick(names.length)] ?? "", pick(3) === 0 ? "same" : text()]),
  );
}

const CHUNK = 10_000;

/** A `node:http2` server that answers each request with the next of the given header fields. */
async function serve(answers: readonly Record<string, string>[], isFiltered: boolean, body = "") {
  const http2 = createServer();
  let next = 0;
  let written = 0;
  function* chunks(): Generator<Buffer> {
    for (; written < body.length; written += CHUNK) yield Buffer.from(body.slice(written, written + CHUNK));
  }
  http2.on("session", (session) => session.on("error", () => {}));
  http2.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200, ...answers[next++ % answers.length] }, { endStream: body === "" });
    if (body !== "") Readable.from(chunks()).pipe(stream);
  });
  const server = createTcpServer((socket) => {
    http2.emit("connection", isFiltered ? new FilteredSocket(socket, "server") : socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  return { server, url, written: () => written };
}

function answerOf(session: ClientHttp2Session): Promise<IncomingHttpHeaders> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingHttpHeaders>();
  const stream = session.request({ ":path": "/" });
  stream.once("response", resolve).once("error", reject).resume();
  return promise;
}

describe("a client of node:http2 through the filter", () => {
  test.each([
    ["with the default table", {}],
    ["without a table", { headerTableSize: 0 }],
  ])("%s decodes all fields of 400 responses", async (_, ownSettings) => {
    const answers = Array.from({ length: 400 }, randomFields);
    const { server, url } = await serve(answers, true);
    const session = connect(url, { settings: ownSettings });
    for (const answer of answers) expect(await answerOf(session)).toMatchObject(answer);
    session.destroy();
    server.close();
  });

  test("that does not read stops the server by backpressure, and later receives a large body completely", async () => {
    const body = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)))
      .toString("base64")
      .repeat(100);
    const { server, url, written } = await serve([{}], true, body);
    const session = connect(url, { settings: { headerTableSize: 0 } });
    const stream = session.request({ ":path": "/" });
    await once(stream, "response");
    const hasStopped = async () => {
      const before = written();
      await Bun.sleep(100);
      return written() === before;
    };
    await until(hasStopped, "the server to stop writing");
    expect(written()).toBeLessThan(body.length / 4);
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString() === body).toBe(true);
    session.destroy();
    server.close();
  });

  test("without a table gets references to one if TableSizeFilter is missing (if this fails, delete the filter)", async () => {
    const { server, url } = await serve([{ "x-first": "same" }], false);
    const raw = new RawH2(url, { settings: settingsPayload(0) });
    for (const stream of [1, 3])
      raw.headers({ ":method": "GET", ":path": "/", ":scheme": "http", ":authority": "x" }, { end: true, stream });
    const blocks = () => raw.frames.filter(({ type }) => type === FRAME.headers).map(({ payload }) => payload);
    await until(() => blocks().length === 2, "two answers");
    expect(blocks()[0]?.[0]).not.toBe(0x20);
    expect([...(blocks()[1] ?? [])].some((octet) => octet >= 0x80 + 62)).toBe(true);
    raw.destroy();
    server.close();
  });
});
