import { expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Config } from "../../src/config/schema.ts";
import { SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame } from "../../src/rpc/frame.ts";
import { type Certificate, selfSigned } from "../support/certificates.ts";
import { until } from "../support/until.ts";
import { type Device, metric, type World, withWorld } from "../support/world.ts";

/** HTTP/1.1 clients that stay connected but read nothing. TCP_USER_TIMEOUT closes the connection before the outbox is full. */

const USER_TIMEOUT = { "connections.user_timeout_ms": 1000, "streams.outbox_bytes_max": 64 * 1024 * 1024 };
/** More than the socket buffers hold, and less than the outbox. */
const FILLERS = 150;
const FILLER = "x".repeat(200_000);

async function subscribe(world: World, device: Device): Promise<Socket> {
  const signed = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
  const body = encodeFrame(0, toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, signed)));
  const { protocol, port } = new URL(world.gateway.edgeUrl);
  const where = { port: Number(port), host: "127.0.0.1", rejectUnauthorized: false };
  const socket = protocol === "https:" ? connectTls(where) : connect(where);
  socket.on("error", () => {});
  const opened = new Promise((resolve) => socket.once("data", resolve));
  socket.write(
    `POST /sallyport.v1.Gateway/SubscribeEvents HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/connect+proto\r\nContent-Length: ${body.byteLength}\r\n\r\n`,
  );
  socket.write(body);
  await opened;
  return socket;
}

/** Opens a stream, stops reading, and pushes events until the stream ends. */
async function stall(world: World, device: Device): Promise<void> {
  const socket = await subscribe(world, device);
  socket.pause();
  const event = { user_id: device.userId, event_type: "big.one", payload: { text: FILLER } };
  for (let n = 0; n < FILLERS; n++) await world.push(event);
  await until(async () => (await metric(world.gateway, "sallyport_streams")) === 0, "the stalled stream to end");
  expect(await metric(world.gateway, "sallyport_streams_ended_total", '{reason="SLOW_CONSUMER"}')).toBe(0);
  socket.destroy();
}

const withDevice = (overrides: Partial<Config>, act: (world: World, device: Device) => Promise<void>, tls?: Certificate) =>
  withWorld({ ...USER_TIMEOUT, ...overrides }, async (world) => act(world, await world.login()), {
    tls: tls && { ca: tls.certificate },
  });

test.each(["own-port", "same-port"] as const)(
  "on the edge, with edge.grpc = %s, a stalled stream ends after the user timeout",
  (grpc) => withDevice({ "edge.grpc": grpc }, stall),
);

test("over TLS, a stalled stream also ends after a renewal of the certificate", async () => {
  const [first, second] = [await selfSigned("first.test"), await selfSigned("second.test")];
  const files = { "tls.certificate_file": first.certificateFile, "tls.key_file": first.keyFile, "tls.reload_ms": 100 };
  await withDevice(
    files,
    async (world, device) => {
      copyFileSync(second.certificateFile, first.certificateFile);
      copyFileSync(second.keyFile, first.keyFile);
      await until(() => world.logged().includes("tls certificate renewed"), "the renewal");
      await stall(world, device);
    },
    first,
  );
});
