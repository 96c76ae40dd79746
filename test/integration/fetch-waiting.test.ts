import { heapStats } from "bun:jsc";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import { create, toJsonString } from "@bufbuild/protobuf";
import { reasonOf, refusalOf } from "../../src/client/errors.ts";
import { FETCH_WAIT_MS_MAX } from "../../src/core/limits.ts";
import { FetchEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { IDLE_TIMEOUT_SECONDS } from "../../src/transport/bun/fetch-body.ts";
import { AllListeners } from "../support/all-listeners.ts";
import { Poller, typesOf } from "../support/poller.ts";
import { RawHttp1 } from "../support/raw-http.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, ROOMY, type World, withWorld } from "../support/world.ts";

/** Waiting polls: what they must survive, what ends them, and what they leave. */

const FETCH = "/sallyport.v1.Gateway/FetchEvents";
const ORIGIN = "https://app.example";
const [anyVariant = expect.unreachable()] = VARIANTS;
const waiting = ({ gateway }: World) => metric(gateway, "sallyport_streams");
const untilWaiting = (world: World, polls: number) =>
  until(async () => (await waiting(world)) === polls, `${polls} waiting polls`);

async function requestBody(device: Device, payload = ""): Promise<string> {
  const request = await device.signer.sign("gateway.fetch", new TextEncoder().encode(payload));
  return toJsonString(FetchEventsRequestSchema, create(FetchEventsRequestSchema, request));
}

describe("every listener", () => {
  const listeners = new AllListeners();
  beforeAll(() => listeners.open());
  afterAll(() => listeners.close());

  const calls = listeners.entryPoints.flatMap((entryPoint) => [
    { ...entryPoint, from: "a client", headers: { "content-type": "application/json" } },
    { ...entryPoint, from: "a page", headers: { "content-type": "application/json", origin: ORIGIN } },
  ]);

  test.each(calls)(
    "$name, $from: answers a waiting poll with the event that ends the wait",
    async ({ name, send, headers }) => {
      const world = listeners.world(name.replace(/^gRPC listener of |, HTTP.*$/g, ""));
      const device = await world.login();
      const call = send({ path: FETCH, headers, body: await requestBody(device) });
      await untilWaiting(world, 1);
      await world.push({ user_id: device.userId, event_type: "count.up", payload: { n: 1 } });
      const answer = await call;
      expect(answer?.status).toBe(200);
      const { events } = JSON.parse(String(answer?.body));
      const types = events.map(({ envelope }: { envelope: { eventType: string } }) => envelope.eventType);
      expect(types).toEqual(["gateway.server_time", "count.up"]);
    },
  );
});

test("an idle timeout of the edge cannot cut a poll of the maximum length", () => {
  expect(FETCH_WAIT_MS_MAX * 2).toBeLessThan(IDLE_TIMEOUT_SECONDS * 1000);
});

describe.each(["own-port", "same-port"] as const)("with edge.grpc = %s", (grpc) => {
  test("no timer for connections and bodies ends a poll that waits for longer", async () => {
    const timers = { "connections.opening_ms": 1000, "connections.body_ms": 1000, "connections.stall_ms": 1000 };
    const idle = { "connections.ping_ms": 1000, "connections.idle_ms": 1000 };
    await withWorld({ "edge.grpc": grpc, ...timers, ...idle, "streams.per_session_max": 100 }, async (world) => {
      const device = await world.login();
      const polls = VARIANTS.map((variant) => new Poller(world.transport(variant), device).poll({ wait_ms: 3500 }));
      for (const events of await Promise.all(polls)) expect(typesOf(events)).toEqual(["gateway.server_time"]);
    });
  });
});

describe("a poll that waits", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ "cors.origins": [ORIGIN], "streams.heartbeat_ms": 1000 });
  });
  afterAll(() => world.close());

  test("is not ended by heartbeats, and its answer has none", async () => {
    const events = await new Poller(world.transport(anyVariant), await world.login()).poll({ wait_ms: 2500 });
    expect(typesOf(events)).toEqual(["gateway.server_time"]);
  });

  test("is listed by the admin listener as a poll, and its wait is not part of the measured duration", async () => {
    const device = await world.login();
    const sum = () => metric(world.gateway, "sallyport_request_seconds_sum", '{rpc="FetchEvents"}');
    const before = await sum();
    const call = new Poller(world.transport(anyVariant), device).poll({ wait_ms: 1000 });
    await untilWaiting(world, 1);
    const { streams } = await (await fetch(`${world.gateway.adminUrl}/streams?user_id=${device.userId}`)).json();
    expect(streams).toMatchObject([{ kind: "poll", protocol: "connect", codec: "proto" }]);
    await call;
    expect((await sum()) - before).toBeLessThan(0.5);
    const lines = () =>
      world
        .logged()
        .split("\n")
        .filter((line) => line.includes(`"FetchEvents"`));
    const line = () => lines().find((each) => each.includes(device.deviceSessionId));
    await until(() => line() !== undefined, "the log line");
    const logged = JSON.parse(line() ?? "{}");
    expect(logged).toMatchObject({ rpc: "FetchEvents", code: "ok", events: 1 });
    expect(logged.waited_ms).toBeGreaterThanOrEqual(990);
    expect(logged.ms).toBeGreaterThanOrEqual(logged.waited_ms);
  });

  test("can be made by a page of another origin", async () => {
    const url = `${world.gateway.edgeUrl}${FETCH}`;
    const asked = {
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,connect-timeout-ms",
    };
    const preflight = await fetch(url, { method: "OPTIONS", headers: { origin: ORIGIN, ...asked } });
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([204, ORIGIN]);
    const headers = { origin: ORIGIN, "content-type": "application/json" };
    const answer = await fetch(url, { method: "POST", headers, body: await requestBody(await world.login(), '{"wait_ms":0}') });
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, ORIGIN]);
  });

  test("leaves nothing if its connection is destroyed, over both HTTP versions", async () => {
    const device = await world.login();
    const body = await requestBody(device);
    const raw = await RawHttp1.open(world.gateway.edgeUrl);
    raw.send(
      `POST ${FETCH} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    raw.send(body);
    const connections = [world.gateway.edgeUrl, world.gateway.grpcUrl].map((url) => connectHttp2(url));
    for (const connection of connections) {
      connection.on("error", () => {});
      const stream = connection.request({ ":method": "POST", ":path": FETCH, "content-type": "application/json" });
      stream.on("error", () => {});
      stream.end(await requestBody(device));
    }
    await untilWaiting(world, 3);
    raw.close();
    for (const connection of connections) connection.destroy();
    await untilWaiting(world, 0);
  });

  test.each(VARIANTS)("$name: a hundred polls that are canceled at any moment leave nothing", async (variant) => {
    const device = await world.login();
    const transport = world.transport(variant);
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const abort = new AbortController();
        const call = new Poller(transport, device).poll({}, { signal: abort.signal }).catch(() => {});
        // Some are canceled before the request is sent, some during admission, some while they wait.
        if (n % 3 > 0) await Bun.sleep(n % 10);
        abort.abort();
        await call;
      }),
    );
    await untilWaiting(world, 0);
  });

  test("keeps no object in memory after thousands of polls were answered, canceled or timed out", async () => {
    const held = () => {
      Bun.gc(true);
      const { EventCollector = 0, Subscription = 0 } = heapStats().objectTypeCounts;
      return EventCollector + Subscription;
    };
    const device = await world.login();
    const transport = world.transport(anyVariant);
    for (let round = 0; round < 20; round++) {
      const polls = Array.from({ length: 100 }, async (_, n) => {
        const options = { wait_ms: n % 3 === 0 ? 0 : 25_000 };
        const call = n % 3 === 1 ? { signal: AbortSignal.timeout(20) } : { timeoutMs: 40 };
        await new Poller(transport, device).poll(options, call).catch(() => {});
      });
      await Promise.all(polls);
    }
    await untilWaiting(world, 0);
    await until(() => held() < 50, "the objects to be collected");
  });
});

test("1,000 waiting polls end at once at a shutdown, each with SHUTTING_DOWN, and do not delay it", async () => {
  const limits = { "streams.per_session_max": 2000, "streams.per_user_max": 2000, "streams.per_network_max": 2000 };
  const world = await openWorld({ ...ROOMY, ...limits, "connections.per_network_max": 2000 });
  const device = await world.login();
  const overHttp2 = VARIANTS.filter(({ name }) => !name.includes("HTTP/1.1"));
  const polls: Promise<unknown>[] = [];
  for (let n = 0; polls.length < 1000; n++) {
    // A connection has at most 100 streams. Every tenth transport uses HTTP/1.1.
    const variant = n % 10 === 0 ? anyVariant : (overHttp2[n % overHttp2.length] ?? anyVariant);
    const transport = world.transport(variant);
    for (let each = 0; each < 25; each++) polls.push(new Poller(transport, device).poll().then(() => "answered", refusalOf));
  }
  await untilWaiting(world, 1000);
  const startedAt = performance.now();
  expect(await world.gateway.stop()).toBe(true);
  expect(performance.now() - startedAt).toBeLessThan(world.config["shutdown.deadline_ms"]);
  const ends = await Promise.all(polls);
  expect(ends).toEqual(Array.from({ length: 1000 }, () => expect.objectContaining({ reason: "SHUTTING_DOWN" })));
  await world.close();
}, 60_000);

test("polls count for the stream limits of their session, and those over the limit are refused", async () => {
  await withWorld({ "streams.per_session_max": 5 }, async (world) => {
    const [device, other] = [await world.login(), await world.login()];
    const poll = (each: Device) => new Poller(world.transport(anyVariant), each).poll({ wait_ms: 2000 });
    const outcomes = Promise.all(Array.from({ length: 200 }, () => poll(device).then(() => "answered", reasonOf)));
    await untilWaiting(world, 5);
    expect(typesOf(await new Poller(world.transport(anyVariant), other).poll({ wait_ms: 0 }))).toEqual(["gateway.server_time"]);
    const all = await outcomes;
    expect(all.filter((outcome) => outcome === "answered")).toHaveLength(5);
    expect(all.filter((outcome) => outcome === "TOO_MANY_STREAMS")).toHaveLength(195);
    expect(await waiting(world)).toBe(0);
  });
});
