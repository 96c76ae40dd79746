import { afterAll, beforeAll, expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/errors.ts";
import { ExecuteCommandRequestSchema, Gateway, SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame } from "../../src/rpc/frame.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { END_STREAM, FRAME, RawH2 } from "../support/raw-h2.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";

const BIG = "x".repeat(100_000);
/** More events than the socket buffers of the system (some megabytes) and the outbox hold. */
const EVENTS_MAX = 400;

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const ended = () => metric(world.gateway, "sallyport_streams_ended_total", '{reason="SLOW_CONSUMER"}');
const unread = () => metric(world.gateway, "sallyport_outbox_bytes", '{quantile="1"}');

/** Pushes events to a user until one of its streams ends with SLOW_CONSUMER. Returns their number and the maximum of unread bytes. */
async function pushUntilEnded({ userId }: Device): Promise<{ sent: number; mostUnread: number }> {
  const before = await ended();
  let [sent, mostUnread] = [0, 0];
  while ((await ended()) === before) {
    if (sent > EVENTS_MAX) throw new Error("the outbox has no bound");
    mostUnread = Math.max(mostUnread, await unread());
    await world.push({ user_id: userId, event_type: "big.one", payload: { number: sent++, text: BIG } });
  }
  expect(await ended()).toBe(before + 1);
  return { sent, mostUnread };
}

/** Opens a subscription and reads its first event. The returned function reads the others until the stream ends. */
async function openSlowStream(transport: Transport, device: Device) {
  const request = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
  const events = createClient(Gateway, transport).subscribeEvents(request)[Symbol.asyncIterator]();
  await events.next();
  /** Returns the numbers of the remaining events, and the reason for which the stream ended. */
  return async function readToEnd() {
    const numbers: number[] = [];
    try {
      for (let next = await events.next(); !next.done; next = await events.next())
        numbers.push(JSON.parse(new TextDecoder().decode(next.value.payloadBytes)).number);
    } catch (error) {
      return { numbers, reason: refusalOf(error)?.reason };
    }
    return { numbers, reason: undefined };
  };
}

test.each(VARIANTS.map((variant) => [variant.name, variant] as const))(
  "%s: a client that does not read gets SLOW_CONSUMER when it reads on; another stream of its user gets every event",
  async (_, variant) => {
    const device = await world.login();
    const readToEnd = await openSlowStream(world.transport(variant), device);
    const reader = await EventSubscriber.open(world.transport(variant), device);
    const { sent, mostUnread } = await pushUntilEnded(device);
    expect(mostUnread).toBeGreaterThan(500_000);
    expect(mostUnread).toBeLessThan(1024 * 1024 + 4 * BIG.length);
    await until(() => reader.payloads("big.one").length === sent, "the reader to receive every event");
    expect(reader.ended).toBeUndefined();
    const { numbers, reason } = await readToEnd();
    expect(reason).toBe("SLOW_CONSUMER");
    expect(numbers).toEqual(Array.from(numbers, (_, n) => n));
    expect(numbers.length).toBeLessThan(sent);
    reader.leave();
  },
  60_000,
);

/** A WINDOW_UPDATE increment that never runs out in this test. */
const WIDE_WINDOW = Buffer.from([0x3f, 0xff, 0, 0]);
const [SLOW, GOOD, COMMAND] = [1, 3, 5];

test.each([
  ["Connect", "application/connect+proto", () => world.gateway.edgeUrl],
  ["Connect on the gRPC listener", "application/connect+proto", () => world.gateway.grpcUrl],
  ["gRPC", "application/grpc+proto", () => world.gateway.grpcUrl],
] as const)(
  "%s: a stream with an exhausted flow-control window does not block others of its connection",
  async (_, contentType, url) => {
    const device = await world.login();
    const client = new RawH2(url());
    client.frame(FRAME.windowUpdate, 0, 0, WIDE_WINDOW);
    const common = { ":method": "POST", ":scheme": "http", ":authority": "edge.example" };
    const path = "/sallyport.v1.Gateway/SubscribeEvents";
    for (const stream of [SLOW, GOOD]) {
      const signed = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
      const body = encodeFrame(0, toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, signed)));
      client.headers({ ...common, ":path": path, "content-type": contentType, te: "trailers" }, { stream });
      client.data(body, { end: true, stream });
    }
    client.frame(FRAME.windowUpdate, 0, GOOD, WIDE_WINDOW);
    const of = (stream: number) => client.frames.filter((frame) => frame.stream === stream);
    const data = (stream: number) =>
      Buffer.concat(of(stream).flatMap(({ type, payload }) => (type === FRAME.data ? [payload] : [])));
    const hasEnded = (stream: number) =>
      of(stream).some(({ type, flags }) => type !== FRAME.reset && (flags & END_STREAM) !== 0);
    await until(() => data(SLOW).length > 0 && data(GOOD).length > 0, "both streams to open");

    // Wait for each event before the next is pushed: the client sends no other frames, which could trigger a flush of queued writes.
    const before = await ended();
    let sent = 0;
    for (; (await ended()) === before; sent++) {
      await world.push({ user_id: device.userId, event_type: "big.one", payload: { text: BIG } });
      await until(() => data(GOOD).length > (sent + 1) * BIG.length, "the event on the other stream");
    }
    expect(data(SLOW).length).toBeLessThanOrEqual(65_535);
    await world.push({ user_id: device.userId, event_type: "small.one", payload: {} });
    await until(() => data(GOOD).includes("small.one"), "a small event on the other stream");

    const signed = await device.signer.sign("user.profile.get", new Uint8Array(0));
    const command = toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, signed));
    const isGrpc = contentType.includes("grpc");
    const unary = {
      ":path": "/sallyport.v1.Gateway/ExecuteCommand",
      "content-type": isGrpc ? contentType : "application/proto",
      te: "trailers",
    };
    client.headers({ ...common, ...unary }, { stream: COMMAND });
    client.data(isGrpc ? encodeFrame(0, command) : command, { end: true, stream: COMMAND });
    await until(() => hasEnded(COMMAND) && data(COMMAND).includes("user_id"), "the answer to a command");

    client.frame(FRAME.windowUpdate, 0, SLOW, WIDE_WINDOW);
    await until(() => hasEnded(SLOW), "the slow stream to end");
    expect(of(GOOD).some(({ type }) => type === FRAME.reset)).toBe(false);
    expect(of(SLOW).some(({ type }) => type === FRAME.reset)).toBe(false);
    expect(await ended()).toBe(before + 1);
    client.destroy();
  },
);
