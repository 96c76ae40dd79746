import { afterAll, beforeAll, expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/errors.ts";
import { encodeFrame } from "../../src/core/frame.ts";
import { Gateway, SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { Listener } from "../support/listener.ts";
import { FRAME, RawH2 } from "../support/raw-h2.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";

const BIG = "x".repeat(100_000);
/** What the system takes of a connection, some megabytes, and the outbox. */
const EVENTS_MAX = 400;

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const ended = () => metric(world.gateway, "sallyport_streams_ended_total", '{reason="SLOW_CONSUMER"}');
const unread = () => metric(world.gateway, "sallyport_outbox_bytes", '{quantile="1"}');

/** Events for all streams of a user, until the slow one among them is given up. Gives how many, and the most that was unread. */
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

/** A subscription that reads its first message, and the others when it is told to. */
async function openSlow(transport: Transport, device: Device) {
  const request = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
  const events = createClient(Gateway, transport).subscribeEvents(request)[Symbol.asyncIterator]();
  await events.next();
  /** The numbers of the events that come still, and the reason for which no more do. */
  return async function readOn() {
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
  "%s: who never reads is given up, and told so where it reads on; who reads beside it gets everything",
  async (_, variant) => {
    const device = await world.login();
    const readOn = await openSlow(world.transport(variant), device);
    const reader = await Listener.open(world.transport(variant), device);
    const { sent, mostUnread } = await pushUntilEnded(device);
    expect(mostUnread).toBeGreaterThan(500_000);
    expect(mostUnread).toBeLessThan(1024 * 1024 + 4 * BIG.length);
    await until(() => reader.payloads("big.one").length === sent, "the reader to have everything");
    expect(reader.ended).toBeUndefined();
    const { numbers, reason } = await readOn();
    expect(reason).toBe("SLOW_CONSUMER");
    expect(numbers).toEqual(Array.from(numbers, (_, n) => n));
    expect(numbers.length).toBeLessThan(sent);
    reader.leave();
  },
  30_000,
);

const WIDE = Buffer.from([0x3f, 0xff, 0, 0]);
const [SLOW, GOOD] = [1, 3];

test.each([["Connect", "application/connect+proto", () => world.gateway.edgeUrl]] as const)(
  "%s: a stream whose window is shut holds up no other of its connection",
  async (_, contentType, url) => {
    const device = await world.login();
    const client = new RawH2(url());
    client.frame(FRAME.windowUpdate, 0, 0, WIDE);
    for (const stream of [SLOW, GOOD]) {
      const signed = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
      const fields = {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "edge.example",
        ":path": "/sallyport.v1.Gateway/SubscribeEvents",
      };
      client.headers({ ...fields, "content-type": contentType, te: "trailers" }, { stream });
      client.data(encodeFrame(0, toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, signed))), {
        end: true,
        stream,
      });
    }
    client.frame(FRAME.windowUpdate, 0, GOOD, WIDE);
    const received = (of: number) => client.frames.filter(({ type, stream }) => type === FRAME.data && stream === of);
    const bytes = (of: number) => received(of).reduce((sum, { payload }) => sum + payload.byteLength, 0);
    await until(() => bytes(SLOW) > 0 && bytes(GOOD) > 0, "both streams to open");
    const { sent } = await pushUntilEnded(device);
    await until(() => bytes(GOOD) > sent * BIG.length, "the other stream to have everything");
    expect(bytes(SLOW)).toBeLessThanOrEqual(65_535);
    client.frame(FRAME.windowUpdate, 0, SLOW, WIDE);
    await until(
      () => client.frames.some(({ stream, flags, type }) => stream === SLOW && (type === FRAME.reset || (flags & 1) === 1)),
      "the slow stream to end",
    );
    expect(client.frames.some(({ stream, type }) => stream === SLOW && type === FRAME.reset)).toBe(false);
    client.destroy();
  },
);
