import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { ensureFlush } from "../../../../src/transport/h2/flush-workaround.ts";
import { FRAME, RawH2 } from "../../../support/raw-h2.ts";
import { until } from "../../../support/until.ts";

const WIDE = Buffer.from([0x3f, 0xff, 0, 0]);
/** More than a stream's initial window. */
const BIG = Buffer.alloc(100_000);
const WRITES = 20;

let server: Http2Server;
let url: string;
let streams: ServerHttp2Stream[] = [];
beforeAll(async () => {
  server = createServer();
  server.on("session", (session) => session.on("error", () => {}));
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200 });
    streams.push(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`;
});
afterAll(() => void server.close());

/** A connection with one open response per window. `undefined`: the initial window. */
async function open(windows: readonly (Uint8Array | undefined)[], answersPings: boolean) {
  streams = [];
  const client = new RawH2(url, { answersPings });
  client.frame(FRAME.windowUpdate, 0, 0, WIDE);
  windows.forEach((window, n) => {
    const stream = 2 * n + 1;
    client.headers({ ":method": "GET", ":scheme": "http", ":authority": "test", ":path": "/" }, { stream, end: true });
    if (window !== undefined) client.frame(FRAME.windowUpdate, 0, stream, window);
  });
  await until(() => streams.length === windows.length, "the streams to open");
  const write = (n: number, bytes: Uint8Array) => {
    const stream = streams[n] ?? expect.unreachable();
    stream.write(bytes);
    ensureFlush(stream);
  };
  const data = (n: number) => client.frames.filter(({ type, stream }) => type === FRAME.data && stream === 2 * n + 1);
  const bytes = (n: number) => data(n).reduce((sum, { payload }) => sum + payload.byteLength, 0);
  const pings = () => client.frames.filter(({ type }) => type === FRAME.ping).length;
  return { client, write, bytes, pings };
}

test("a stream is flushed while the window of another stream on its connection is exhausted", async () => {
  const { client, write, bytes, pings } = await open([undefined, WIDE], true);
  write(0, BIG);
  await until(() => bytes(0) > 0, "the window to be used up");
  for (let n = 1; n <= WRITES; n++) {
    write(1, Buffer.alloc(10));
    await until(() => bytes(1) === 10 * n, "the other stream's bytes");
  }
  expect(pings()).toBeGreaterThan(0);
  client.destroy();
});

test("a client that reads gets no PING", async () => {
  const { client, write, bytes, pings } = await open([WIDE], true);
  for (let n = 1; n <= WRITES; n++) {
    write(0, Buffer.alloc(10));
    await until(() => bytes(0) === 10 * n, "the bytes");
  }
  expect(pings()).toBe(0);
  client.destroy();
});

test("a client that does not answer a PING gets no second one", async () => {
  const { client, write, bytes, pings } = await open([undefined, WIDE], false);
  write(0, BIG);
  await until(() => bytes(0) > 0 && pings() > 0, "the first PING");
  for (let n = 0; n < WRITES; n++) {
    write(1, Buffer.alloc(10));
    await new Promise(setImmediate);
  }
  client.frame(FRAME.ping, 0, 0, Buffer.alloc(8));
  await until(
    () => client.frames.some(({ type, flags }) => type === FRAME.ping && flags === 1),
    "the answer to the client's own PING",
  );
  expect(pings()).toBe(2);
  client.destroy();
});
