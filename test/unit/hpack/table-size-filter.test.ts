import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { Readable } from "node:stream";
import { FilteredSocket } from "../../../src/hpack/filtered-socket.ts";
import { encodeFrame, HEADERS, SETTINGS } from "../../../src/hpack/frame-reader.ts";
import { huffmanLength } from "../../../src/hpack/huffman.ts";
import { mayHaveSmallTable, TableSizeFilter } from "../../../src/hpack/table-size-filter.ts";
import { FRAME, RawH2 } from "../../support/raw-h2.ts";
import { until } from "../../support/until.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const ACKNOWLEDGED = encodeFrame({ type: SETTINGS, flags: 1, stream: 0, payload: Buffer.alloc(0) });

/** SETTINGS with these sizes of the table, one after the other. */
function settings(...sizes: readonly number[]): Buffer {
  return encodeFrame({ type: SETTINGS, flags: 0, stream: 0, payload: settingsPayload(...sizes) });
}

function settingsPayload(...sizes: readonly number[]): Buffer {
  return Buffer.concat(sizes.map((size) => Buffer.from([0, 1, 0, 0, size >> 8, size & 255])));
}

function headers(block: readonly number[]): Buffer {
  return encodeFrame({ type: HEADERS, flags: 4, stream: 1, payload: Buffer.from(block) });
}

/** The field block of the first HEADERS among these bytes. */
function blockOf(bytes: Buffer): number[] {
  return [...bytes.subarray(9, 9 + bytes.readUIntBE(0, 3))];
}

/** `a: b`, remembered as the newest entry; then that entry. */
const REMEMBERED = [0x40, 1, 0x61, 1, 0x62];
const RECALLED = [0x80 | 62];
const LITERAL = [0x00, 1, 0x61, 1, 0x62];

describe("header blocks for a peer with a small table", () => {
  test.each([
    ["none", [0]],
    ["a small one", [100]],
    ["none for a moment", [0, 4096]],
  ])("%s: no field is indexed, and the first block says that the table is empty", (_, sizes) => {
    const filter = new TableSizeFilter("server");
    filter.receive(Buffer.concat([PREFACE, settings(...sizes)]));
    filter.send(ACKNOWLEDGED);
    expect(blockOf(filter.send(headers(REMEMBERED)))).toEqual([0x20, ...LITERAL]);
    expect(blockOf(filter.send(headers(RECALLED)))).toEqual(LITERAL);
  });

  test.each([
    ["the usual size", [4096]],
    ["a large one", [65_535]],
    ["no word of it", []],
  ])("%s: they stay as they are", (_, sizes) => {
    const filter = new TableSizeFilter("server");
    filter.receive(Buffer.concat([PREFACE, settings(...sizes)]));
    filter.send(ACKNOWLEDGED);
    expect(blockOf(filter.send(headers(REMEMBERED)))).toEqual(REMEMBERED);
    expect(blockOf(filter.send(headers(RECALLED)))).toEqual(RECALLED);
  });

  test("a table that shrinks later: what was remembered before is spelt out, and each acknowledgement is followed by an update", () => {
    const filter = new TableSizeFilter("client");
    expect(blockOf(filter.send(Buffer.concat([PREFACE, headers(REMEMBERED)])).subarray(PREFACE.length))).toEqual(REMEMBERED);
    filter.receive(settings(0));
    filter.receive(settings(10));
    expect(blockOf(filter.send(headers(RECALLED)))).toEqual(LITERAL);
    for (let n = 0; n < 2; n++) {
      filter.send(ACKNOWLEDGED);
      expect(blockOf(filter.send(headers(RECALLED)))).toEqual([0x20, ...LITERAL]);
    }
  });

  test("the bytes of either direction may be split anywhere", () => {
    const sent = Buffer.concat([ACKNOWLEDGED, headers(REMEMBERED), headers(RECALLED)]);
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

  test("whether a client may have a small table shows in its first bytes, unless they end too soon", () => {
    expect(mayHaveSmallTable(Buffer.concat([PREFACE, settings(0)]))).toBe(true);
    expect(mayHaveSmallTable(Buffer.concat([PREFACE, settings(4096)]))).toBe(false);
    expect(mayHaveSmallTable(Buffer.concat([PREFACE, settings()]))).toBe(false);
    expect(mayHaveSmallTable(PREFACE)).toBe(true);
    expect(mayHaveSmallTable(Buffer.concat([PREFACE, settings(4096)]).subarray(0, -1))).toBe(true);
  });

  test("the length of a Huffman-coded string is that of RFC 7541, C.4 and C.6", () => {
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

/** Fields out of a few names and many values, that fill the table many times over. */
function randomFields(): Record<string, string> {
  const pick = (max: number) => Math.floor(Math.random() * max);
  const text = () => Buffer.from(crypto.getRandomValues(new Uint8Array(pick(60)))).toString(pick(2) === 0 ? "hex" : "base64");
  const names = ["x-first", "x-second", "cache-control", "etag", "location", `x-${pick(40)}`];
  return Object.fromEntries(
    Array.from({ length: pick(8) }, () => [names[pick(names.length)] ?? "", pick(3) === 0 ? "same" : text()]),
  );
}

const CHUNK = 10_000;

/** A server of `node:http2` that answers each request with the next of these fields. */
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

describe("of many answers of node:http2, a client", () => {
  test.each([
    ["with a table", {}],
    ["without one", { headerTableSize: 0 }],
  ])("%s reads every field as it was sent", async (_, ownSettings) => {
    const answers = Array.from({ length: 400 }, randomFields);
    const { server, url } = await serve(answers, true);
    const session = connect(url, { settings: ownSettings });
    for (const answer of answers) expect(await answerOf(session)).toMatchObject(answer);
    session.destroy();
    server.close();
  });

  test("without one, that does not read, holds the server up; then it gets a large body whole", async () => {
    const body = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)))
      .toString("base64")
      .repeat(100);
    const { server, url, written } = await serve([{}], true, body);
    const session = connect(url, { settings: { headerTableSize: 0 } });
    const stream = session.request({ ":path": "/" });
    await once(stream, "response");
    for (let before = -1; before !== written(); await Bun.sleep(100)) before = written();
    expect(written()).toBeLessThan(body.length / 4);
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString() === body).toBe(true);
    session.destroy();
    server.close();
  });

  test("TableSizeFilter is still needed: without it, one without a table is sent references to one", async () => {
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
