import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeFrame } from "../../src/core/frame.ts";
import { SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { until } from "../support/until.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";

/** Clients that leave without a word: nothing of them may stay. */

const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";
const CYCLES = 60;
const AT_ONCE = 6;

let world: World;
let device: Device;
beforeAll(async () => {
  world = await openWorld({ "streams.per_session_max": 1000, "streams.per_user_max": 1000 });
  device = await world.login();
});
afterAll(() => world.close());

async function subscription(): Promise<Uint8Array> {
  const request = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
  return encodeFrame(0, toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, request)));
}

const streams = () => metric(world.gateway, "sallyport_streams");
const openFiles = () => readdirSync("/proc/self/fd").length;

/** Sends the part of an HTTP/1.1 subscription, and waits for the stream's first bytes where it is whole. */
async function subscribeOverHttp1(part: number): Promise<Socket> {
  const body = await subscription();
  const { hostname, port } = new URL(world.gateway.edgeUrl);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  const opened = new Promise<void>((resolve) => socket.once("data", () => resolve()));
  const head = `POST ${SUBSCRIBE} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/connect+proto\r\nContent-Length: ${body.byteLength}\r\n\r\n`;
  const whole = Buffer.concat([Buffer.from(head), body]);
  const sent = whole.subarray(0, Math.round(whole.byteLength * part));
  await new Promise((resolve) => socket.write(sent, resolve));
  if (part === 1) await opened;
  return socket;
}

async function subscribeOverHttp2(url: string, contentType: string) {
  const session = connectHttp2(url);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": SUBSCRIBE, "content-type": contentType, te: "trailers" });
  stream.on("error", () => {});
  const opened = new Promise<void>((resolve) => stream.once("data", () => resolve()));
  stream.end(await subscription());
  await opened;
  return { session, stream };
}

const connectH2 = () => subscribeOverHttp2(world.gateway.edgeUrl, "application/connect+proto");
const grpc = () => subscribeOverHttp2(world.gateway.grpcUrl, "application/grpc+proto");

async function resetStream(opening: ReturnType<typeof connectH2>): Promise<void> {
  const { session, stream } = await opening;
  await new Promise<void>((resolve) => {
    stream.once("close", resolve);
    stream.close(constants.NGHTTP2_CANCEL);
  });
  session.close();
}

const KINDS: readonly (readonly [string, () => Promise<unknown>])[] = [
  ["HTTP/1.1: resets the connection", async () => (await subscribeOverHttp1(1)).resetAndDestroy()],
  ["HTTP/1.1: closes the connection", async () => (await subscribeOverHttp1(1)).destroy()],
  ["HTTP/1.1: closes its half, and then the rest", async () => (await subscribeOverHttp1(1)).end()],
  ["HTTP/1.1: goes in the midst of its headers", async () => (await subscribeOverHttp1(0.2)).destroy()],
  ["HTTP/1.1: goes in the midst of its message", async () => (await subscribeOverHttp1(0.9)).resetAndDestroy()],
  ["h2: resets the stream", () => resetStream(connectH2())],
  ["h2: drops the connection", async () => (await connectH2()).session.destroy()],
  ["gRPC: resets the stream", () => resetStream(grpc())],
  ["gRPC: drops the connection", async () => (await grpc()).session.destroy()],
];

test.each(KINDS)("%s: no stream and no file stays behind", async (_, leave) => {
  // The first of a kind may open what stays: the client's own machinery.
  await leave();
  await until(async () => (await streams()) === 0, "the first stream to be gone");
  const before = openFiles();
  const cycle = async () => {
    for (let n = 0; n < CYCLES / AT_ONCE; n++) await leave();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, cycle));
  await until(async () => (await streams()) === 0, "the streams to be gone");
  await until(() => openFiles() <= before + 2, "the files to be closed");
  expect(openFiles()).toBeLessThanOrEqual(before + 2);
});
