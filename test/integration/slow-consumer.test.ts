import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeFrame } from "../../src/core/frame.ts";
import { SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { Listener } from "../support/listener.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { metric, openWorld, type World } from "../support/world.ts";

const BIG = "x".repeat(100_000);
const EVENTS_MAX = 200;

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const ended = () => metric(world.gateway, "sallyport_streams_ended_total", '{reason="SLOW_CONSUMER"}');
const unread = () => metric(world.gateway, "sallyport_outbox_bytes", '{quantile="1"}');

test("over gRPC, who never reads is given up, and its outbox shows before; who reads beside it gets everything", async () => {
  const device = await world.login();
  const signed = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
  const session = connectHttp2(world.gateway.grpcUrl);
  session.on("error", () => {});
  const fields = {
    ":method": "POST",
    ":path": "/sallyport.v1.Gateway/SubscribeEvents",
    "content-type": "application/grpc+proto",
  };
  const stream = session.request({ ...fields, te: "trailers" });
  stream.on("error", () => {});
  stream.pause();
  stream.end(encodeFrame(0, toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, signed))));
  const variant = VARIANTS.find(({ name }) => name === "gRPC proto") ?? expect.unreachable();
  const reader = await Listener.open(world.transport(variant), device);
  let [sent, mostUnread] = [0, 0];
  while ((await ended()) === 0) {
    if (sent++ > EVENTS_MAX) throw new Error("the outbox has no bound");
    mostUnread = Math.max(mostUnread, await unread());
    await world.push({ user_id: device.userId, event_type: "big.one", payload: { text: BIG } });
  }
  expect(mostUnread).toBeGreaterThan(500_000);
  expect(mostUnread).toBeLessThan(1024 * 1024 + 2 * BIG.length);
  await until(() => reader.payloads("big.one").length === sent, "the reader to have everything");
  expect(reader.ended).toBeUndefined();
  reader.leave();
  session.destroy();
});
