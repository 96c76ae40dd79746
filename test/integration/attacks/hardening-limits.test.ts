import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { SubscribeEventsRequestSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame as encodeMessageFrame } from "../../../src/rpc/frame.ts";
import { EventSubscriber } from "../../support/event-subscriber.ts";
import { GoodClient } from "../../support/good-client.ts";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { openRawConnection } from "../../support/raw-connection.ts";
import { FRAME, RawH2, type RawH2Options } from "../../support/raw-h2.ts";
import { RawHttp1 } from "../../support/raw-http.ts";
import { until } from "../../support/until.ts";
import { VARIANTS, type Variant } from "../../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../../support/world.ts";

/** Slow, silent or many clients. What each holds is bounded, and every call of another client is answered. */

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";
const CANCEL = 8;
const NO_WINDOW = Buffer.from([0, 4, 0, 0, 0, 0]);
const PER_NETWORK_MAX = 20;

/** Typical values of an operator, but a hundred times shorter. */
const LIMITS = {
  "connections.opening_ms": 200,
  "connections.body_ms": 200,
  "connections.stall_ms": 200,
  "connections.ping_ms": 200,
  "connections.idle_ms": 600,
  "connections.per_network_max": PER_NETWORK_MAX,
} as const;

const worlds: Record<string, World> = {};
beforeAll(async () => {
  worlds["two ports"] = await openWorld(LIMITS);
  worlds["one port"] = await openWorld({ ...LIMITS, "edge.grpc": "same-port" });
});
afterAll(async () => {
  for (const world of Object.values(worlds)) await world.close();
});

const variantNamed = (text: string) => VARIANTS.find(({ name }) => name.includes(text)) ?? expect.unreachable();
const GRPC = variantNamed("gRPC proto");

const h2Headers = (path: string, contentType: string) => ({
  ":method": "POST",
  ":path": path,
  ":scheme": "http",
  ":authority": "gateway.example",
  "content-type": contentType,
});

const http1Head = (path: string) =>
  `POST ${path} HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n`;

describe.each(["two ports", "one port"])("gRPC on %s", (key) => {
  const world = () => worlds[key] ?? expect.unreachable();
  const open = (options?: RawH2Options) => new RawH2(world().gateway.grpcUrl, options);
  const beside = async (attack: (device: Device) => Promise<void>, variant: Variant = GRPC) => {
    const device = await world().login();
    const good = new GoodClient(world().transport(variant), device);
    await attack(device);
    expect(await good.stop()).toEqual([]);
  };
  const subscribe = async (client: RawH2, device: Device) => {
    const request = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
    client.headers(h2Headers(SUBSCRIBE, "application/grpc"));
    const bytes = toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, request));
    client.data(encodeMessageFrame(0, bytes), { end: true });
    await client.first(FRAME.headers);
  };
  const openStreams = () => metric(world().gateway, "sallyport_streams");

  test("a connection without a complete preface is closed (slowloris)", () =>
    beside(async () => {
      const silent = await Promise.all(
        ["", "PRI * HTTP/2.0\r\n"].map((bytes) => openRawConnection(world().gateway.grpcUrl, bytes)),
      );
      await until(() => silent.every(({ closed }) => closed), "the connections to be closed", 2000);
    }));

  test("a call with a trickling body is answered and its stream is reset after the body timeout", () =>
    beside(async () => {
      const client = open();
      client.headers(h2Headers(EXECUTE, "application/grpc"));
      const trickle = setInterval(() => client.data(new Uint8Array(1)), 20);
      await client.first(FRAME.headers);
      await client.first(FRAME.reset);
      clearInterval(trickle);
      client.destroy();
    }));

  test("a stream whose client does not read is reset", () =>
    beside(async (device) => {
      const client = open({ settings: NO_WINDOW });
      await subscribe(client, device);
      await until(async () => (await openStreams()) === 1, "the stream to be open");
      const payload = "x".repeat(10_000);
      for (let n = 0; n < 20; n++) await world().push({ user_id: device.userId, event_type: "note.new", payload });
      expect((await client.first(FRAME.reset)).payload.readUInt32BE()).toBe(CANCEL);
      await until(async () => (await openStreams()) === 0, "the stream to end");
      client.destroy();
    }));

  test("a revoked stream of a client that does not read is reset", () =>
    beside(async (good) => {
      const device = await world().login();
      const client = open({ settings: NO_WINDOW });
      await subscribe(client, device);
      await world().revoke({ device_session_id: device.deviceSessionId });
      expect((await client.first(FRAME.reset)).payload.readUInt32BE()).toBe(CANCEL);
      expect(good.deviceSessionId).not.toBe(device.deviceSessionId);
      client.destroy();
    }));

  test("a client that answers no PING is disconnected and its streams end; a live client keeps its quiet stream", () =>
    beside(async (device) => {
      const quiet = await EventSubscriber.open(world().transport(GRPC), device);
      const dead = open({ answersPings: false });
      await subscribe(dead, device);
      await until(() => dead.closed, "the dead client to be disconnected");
      await until(async () => (await openStreams()) === 1, "its stream to end");
      expect(quiet.ended).toBeUndefined();
      quiet.leave();
      await until(async () => (await openStreams()) === 0, "the other stream to end");
    }));

  test("an idle connection gets a GOAWAY", () =>
    beside(async () => {
      // On a busy machine the PING may time out first: then the connection is closed without a GOAWAY.
      await until(async () => {
        const idle = open();
        const hasGoAway = () => idle.frames.some(({ type }) => type === FRAME.goAway);
        await until(() => idle.closed || hasGoAway(), "the end of the connection");
        idle.destroy();
        return hasGoAway();
      }, "a GOAWAY");
    }));

  test("connections of one network are limited; other networks are served, and so is a new connection after others close", () =>
    beside(async () => {
      const from = "127.0.0.9";
      const crowd = Array.from({ length: 2 * PER_NETWORK_MAX }, () => open({ from }));
      const cut = () => crowd.filter(({ closed }) => closed).length;
      await until(() => cut() === PER_NETWORK_MAX, "the connections over the limit to be closed");
      const counted = await metric(world().gateway, "sallyport_connections_cut_total", '{bound="network"}');
      expect(counted).toBeGreaterThanOrEqual(PER_NETWORK_MAX);
      await until(() => world().logged().includes('"msg":"connection limit exceeded"'), "the log");
      const served = crowd.filter(({ closed }) => !closed);
      await Promise.all(served.map((client) => client.first(FRAME.settings)));
      expect(cut()).toBe(PER_NETWORK_MAX);
      for (const client of crowd) client.destroy();
      await until(async () => {
        const again = open({ from });
        const isServed = again.first(FRAME.settings).then(() => true);
        const isCut = until(() => again.closed, "the connection to be closed").then(() => false);
        return Promise.race([isServed, isCut]).finally(() => again.destroy());
      }, "a new connection to be served");
    }));
});

describe("HTTP/1.1", () => {
  test.each(["two ports", "one port"])("a call with a trickling body is refused after the body timeout, on %s", async (key) => {
    const world = worlds[key] ?? expect.unreachable();
    const good = new GoodClient(world.transport(variantNamed("HTTP/1.1")), await world.login());
    for (const path of [EXECUTE, ...LOGIN_PATHS.map(({ SEND }) => SEND)]) {
      const client = await RawHttp1.open(world.gateway.edgeUrl);
      client.send(http1Head(path));
      const trickle = setInterval(() => client.send(" "), 20);
      const answer = await client.answer();
      clearInterval(trickle);
      expect([path, answer?.status, answer?.body.toString()]).toEqual([
        path,
        path === EXECUTE ? 504 : 400,
        expect.stringContaining("took too long"),
      ]);
      client.close();
    }
    expect(await good.stop()).toEqual([]);
  });

  test("on one port, connections without a complete preface or request line are closed", async () => {
    const world = worlds["one port"] ?? expect.unreachable();
    const good = new GoodClient(world.transport(variantNamed("HTTP/1.1")), await world.login());
    const silent = await Promise.all(["", "P", "POST"].map((bytes) => openRawConnection(world.gateway.edgeUrl, bytes)));
    await until(() => silent.slice(0, 2).every(({ closed }) => closed), "the connections to be closed", 2000);
    expect(await good.stop()).toEqual([]);
    for (const { destroy } of silent) destroy();
  });
});

test("the total number of connections is limited, and open connections are served", async () => {
  const world = await openWorld({ "connections.total_max": 10 });
  const good = new GoodClient(world.transport(GRPC), await world.login());
  await until(() => good.calls > 0, "the good client's first call");
  const crowd = await Promise.all(Array.from({ length: 50 }, () => openRawConnection(world.gateway.grpcUrl, "")));
  await until(() => crowd.filter(({ closed }) => closed).length >= 40, "the connections over the limit to be closed");
  expect(await good.stop()).toEqual([]);
  for (const { destroy } of crowd) destroy();
  await world.close();
});

test("a connection serves a limited number of calls, and its client continues on another without a failed call", async () => {
  const world = await openWorld({ "connections.requests_max": 5 });
  const good = new GoodClient(world.transport(GRPC), await world.login());
  await until(() => good.calls > 20, "the good client to use several connections");
  const greedy = new RawH2(world.gateway.grpcUrl);
  for (let n = 0; n < 10; n++) greedy.headers(h2Headers(EXECUTE, "application/grpc"), { end: true, stream: 1 + 2 * n });
  await until(() => greedy.closed, "the end of the connection");
  expect(new Set(greedy.frames.filter(({ type }) => type === FRAME.headers).map(({ stream }) => stream)).size).toBe(5);
  expect(await good.stop()).toEqual([]);
  await world.close();
});
