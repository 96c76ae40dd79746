import { expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { openPushLink } from "../../../../src/backend/feed/push-transport.ts";
import { CONTINUATION, encodeFrame, FrameReader, HEADERS, SETTINGS } from "../../../../src/hpack/h2-frame-reader.ts";
import { until } from "../../../support/until.ts";
import { rawServer } from "../support/raw-server.ts";

async function failureOf(connecting: Promise<void>): Promise<string> {
  return connecting.then(
    () => "connected",
    (thrown) => (thrown instanceof ConnectError ? `${Code[thrown.code]} ${thrown.rawMessage}` : String(thrown)),
  );
}

test("a backend that accepts the connection and sends nothing fails it after connectTimeoutMs", async () => {
  await using silent = await rawServer(() => {});
  const link = openPushLink({ url: `https://127.0.0.1:${silent.port}`, protocol: "grpc", connectTimeoutMs: 30 });
  expect(await failureOf(link.connect())).toBe("Unavailable the backend did not accept the connection in time");
  expect(await failureOf(link.connect())).toStartWith("Unavailable");
});

test("closing the link aborts a connection attempt", async () => {
  await using silent = await rawServer(() => {});
  const link = openPushLink({ url: `https://127.0.0.1:${silent.port}`, protocol: "connect" });
  const connecting = failureOf(link.connect());
  link.close();
  expect(await connecting).not.toBe("connected");
});

test("a refused connection is reported as ECONNREFUSED", async () => {
  expect(await failureOf(openPushLink({ url: "http://127.0.0.1:1", protocol: "grpc-web" }).connect())).toContain(
    "ECONNREFUSED",
  );
});

/** RFC 9113 3.4: length of the client's connection preface. */
const PREFACE_OCTETS = 24;
const NO_TABLE = encodeFrame({ type: SETTINGS, flags: 0, stream: 0, payload: Buffer.from([0, 1, 0, 0, 0, 0]) });

test("SETTINGS_HEADER_TABLE_SIZE = 0 is acknowledged by a dynamic table size update of 0 (RFC 7541 4.2)", async () => {
  const received = new FrameReader(PREFACE_OCTETS, ({ type }) => [HEADERS, CONTINUATION, SETTINGS].includes(type));
  const seen: number[][] = [];
  await using server = await rawServer((socket, chunk, nth) => {
    if (nth === 0) socket.write(NO_TABLE);
    for (const piece of received.read(chunk)) {
      if (!(piece instanceof Uint8Array)) seen.push([piece.type, piece.flags, ...piece.payload.subarray(0, 1)]);
    }
  });
  const link = openPushLink({ url: `http://127.0.0.1:${server.port}`, protocol: "grpc", token: "t" });
  await link.connect();
  await until(() => seen.some(([type, flags]) => type === SETTINGS && flags === 1), "the settings to be acknowledged");
  const events = link.subscribe({ gatewayId: "", cursor: "" }, { signal: new AbortController().signal, onHeader() {} });
  const ended = Array.fromAsync(events).catch(() => {});
  await until(() => seen.some(([type]) => type === HEADERS), "the request");
  expect(seen.find(([type]) => type === HEADERS)?.[2]).toBe(0x20);
  link.close();
  await ended;
});
