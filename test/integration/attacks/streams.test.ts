import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { Gateway, SubscribeEventsRequestSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame } from "../../../src/rpc/frame.ts";
import { EventSubscriber } from "../../support/event-subscriber.ts";
import { sessionPath } from "../../support/fault-backend.ts";
import { RawHttp1 } from "../../support/raw-http.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../../support/world.ts";

/** Clients that open streams and then do not read them, or leave early. */

const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";
const EMPTY = new Uint8Array(0);
const BIG = "x".repeat(100_000);

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const streams = () => metric(world.gateway, "sallyport_streams");
const dropped = () => metric(world.gateway, "sallyport_events_dropped_total");

async function subscription(device: Device): Promise<Uint8Array> {
  const request = await device.signer.sign("gateway.subscribe", EMPTY);
  return encodeFrame(0, toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, request)));
}

/** Pushes events until the gateway drops one. Throws after 40 MB: then the outbox has no bound. */
async function floodUntilDropped(device: Device): Promise<number> {
  const before = await dropped();
  for (let sentBytes = 0; sentBytes < 40_000_000; sentBytes += BIG.length) {
    await world.push({ user_id: device.userId, event_type: "chat.message", payload: { text: BIG } });
    if ((await dropped()) > before) return sentBytes;
  }
  throw new Error("the outbox has no bound");
}

describe("a client that subscribes and never reads", () => {
  test("over HTTP/1.1 ends with SLOW_CONSUMER, and another reader gets every event", async () => {
    const device = await world.login();
    const body = await subscription(device);
    const connection = await RawHttp1.open(world.gateway.edgeUrl);
    connection.socket.pause();
    connection.send(
      `POST ${SUBSCRIBE} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/connect+proto\r\nContent-Length: ${body.byteLength}\r\n\r\n`,
    );
    connection.send(body);
    await until(async () => (await streams()) === 1, "the stream to open");
    const reader = await EventSubscriber.open(VARIANTS[0]?.open(world.gateway.edgeUrl) ?? expect.unreachable(), device);
    const sentBytes = await floodUntilDropped(device);
    expect(await streams()).toBe(1);
    await until(() => reader.payloads("chat.message").length >= sentBytes / BIG.length, "all events at the reader");
    expect(reader.ended).toBeUndefined();
    reader.leave();
    // A client that reads later finds the reason.
    connection.socket.resume();
    await until(() => connection.received.includes("SLOW_CONSUMER"), "the reason");
    await until(() => connection.received.includes("google.rpc.RetryInfo"), "the delay");
    connection.close();
    await until(async () => (await streams()) === 0, "the streams to end");
  });

  test("over HTTP/2 ends with SLOW_CONSUMER", async () => {
    const device = await world.login();
    const connection = connectHttp2(world.gateway.edgeUrl);
    connection.on("error", () => {});
    const stream = connection.request({ ":method": "POST", ":path": SUBSCRIBE, "content-type": "application/connect+proto" });
    stream.on("error", () => {});
    stream.pause();
    stream.end(await subscription(device));
    await until(async () => (await streams()) === 1, "the stream to open");
    await floodUntilDropped(device);
    expect(await streams()).toBe(0);
    connection.destroy();
  });
});

describe.each(VARIANTS)("$name", (variant) => {
  /** Delays the look-up of the device's session until `resume` is called. */
  async function holdLookUp(device: Device) {
    const path = sessionPath(device.deviceSessionId);
    const record = await (await fetch(`${world.backend.restUrl}${path}`)).json();
    const [reached, resume, answered] = [
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>(),
    ];
    world.faults.on(path, async () => {
      reached.resolve();
      await resume.promise;
      queueMicrotask(answered.resolve);
      return Response.json(record);
    });
    return { reached: reached.promise, resume: resume.resolve, answered: answered.promise };
  }

  /** Waits for the call's log line: then the gateway has completed the call. */
  const settled = (requestId: string) => until(() => world.logged().includes(requestId), "the end of the call");

  test("a subscription that is aborted during admission leaves no stream", async () => {
    const device = await world.login();
    const lookUp = await holdLookUp(device);
    const abort = new AbortController();
    const request = await device.signer.sign("gateway.subscribe", EMPTY);
    const client = createClient(Gateway, world.transport(variant));
    const outcome = Array.fromAsync(client.subscribeEvents(request, { signal: abort.signal })).catch(() => "aborted");
    await lookUp.reached;
    abort.abort();
    expect(await outcome).toBe("aborted");
    lookUp.resume();
    await settled(request.envelope.requestId);
    await until(async () => (await streams()) === 0, "every stream to end");
  });

  test("a subscription that times out during admission leaves no stream", async () => {
    const device = await world.login();
    const lookUp = await holdLookUp(device);
    const request = await device.signer.sign("gateway.subscribe", EMPTY);
    const client = createClient(Gateway, world.transport(variant));
    const outcome = await Array.fromAsync(client.subscribeEvents(request, { timeoutMs: 200 })).catch((error) => String(error));
    expect(outcome).toContain("deadline_exceeded");
    await settled(request.envelope.requestId);
    lookUp.resume();
    await lookUp.answered;
    // A later subscription of the same user is admitted, so the first one has been processed.
    const subscriber = await EventSubscriber.open(world.transport(variant), device);
    expect(subscriber.events).toHaveLength(1);
    expect(await streams()).toBe(1);
    subscriber.leave();
    await until(async () => (await streams()) === 0, "every stream to end");
  });

  test("a hundred streams that are opened and aborted concurrently leave no stream", async () => {
    const device = await world.login();
    const transport = world.transport(variant);
    const client = createClient(Gateway, transport);
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const abort = new AbortController();
        const request = await device.signer.sign("gateway.subscribe", EMPTY);
        const running = Array.fromAsync(client.subscribeEvents(request, { signal: abort.signal })).catch(() => {});
        // Some abort before the request is sent, some during admission, some with the stream open.
        if (n % 3 > 0) await Bun.sleep(n % 10);
        abort.abort();
        await running;
      }),
    );
    await until(async () => (await streams()) === 0, "every stream to end");
  });
});
