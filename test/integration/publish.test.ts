import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Gateway, startGateway } from "../../src/app/gateway.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { callPublish, openPublishingWorld, type PublishingWorld } from "../support/publishing-world.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { type Device, metric } from "../support/world.ts";

/** `push.source = http`: a backend publishes events and revocations to the private listener of a real gateway. */

let world: PublishingWorld;
beforeAll(async () => {
  world = await openPublishingWorld();
});
afterAll(() => world.close());

function subscribe(device: Device, payload = "") {
  return EventSubscriber.open(createConnectTransport({ baseUrl: world.gateway.edgeUrl, httpVersion: "1.1" }), device, payload);
}

/** The backend's events of a stream: id, type and payload. */
function received({ events }: EventSubscriber) {
  return events
    .filter(({ envelope }) => envelope?.eventType.startsWith("gateway.") === false)
    .map(({ envelope, payloadBytes }) => [envelope?.eventId, envelope?.eventType, new TextDecoder().decode(payloadBytes)]);
}

async function answer(response: Response) {
  return [response.status, await response.json()];
}

test("an event reaches the streams of its user, with its id and with the exact text of its payload", async () => {
  const device = await world.login();
  const stream = await subscribe(device);
  const body = `{"user_id":"${device.userId}","event_type":"order.ready","event_id":"o-1","payload": {"n": 1.0, "s":"é\\u00e9"} }`;
  expect(await answer(await world.call("/publish", body))).toEqual([200, { event_id: "o-1", duplicate: false }]);
  await until(() => received(stream).length > 0, "the event");
  expect(received(stream)).toEqual([["o-1", "order.ready", '{"n": 1.0, "s":"é\\u00e9"}']]);
  stream.leave();
});

test("the JSON names of protobuf and base64 payloads are accepted; an event without an id gets one", async () => {
  const device = await world.login();
  const stream = await subscribe(device);
  const [deviceSessionId, eventType] = [device.deviceSessionId, "a.b"];
  const event = { deviceSessionId, eventType, payloadBytes: Buffer.from([0, 255, 254]).toString("base64url") };
  expect(await answer(await world.call("/publish", event))).toEqual([200, { event_id: null, duplicate: false }]);
  await until(() => stream.events.length > 1, "the event");
  const last = stream.events.at(-1);
  expect([last?.envelope?.audience, [...(last?.payloadBytes ?? [])]]).toEqual([`session:${deviceSessionId}`, [0, 255, 254]]);
  expect(last?.envelope?.eventId).toMatch(/^[\w-]{22}$/);
  stream.leave();
});

test("a batch keeps its order, and a repeated call publishes nothing twice", async () => {
  const device = await world.login();
  const stream = await subscribe(device);
  const events = Array.from({ length: 1000 }, (_, n) => ({ user_id: device.userId, event_type: "a.b", event_id: `b-${n}` }));
  for (const isRepeat of [false, true]) {
    const [status, body] = await answer(await world.call("/publish", { events }));
    expect([status, body.events.length]).toEqual([200, 1000]);
    expect(body.events.every(({ duplicate }: { duplicate: boolean }) => duplicate === isRepeat)).toBe(true);
  }
  const last = { user_id: device.userId, event_type: "a.b", event_id: "last" };
  await world.call("/publish", { events: [last, last] });
  await until(() => stream.lastId === "last", "the last event");
  expect(received(stream).map(([id]) => id)).toEqual([...events.map(({ event_id }) => event_id), "last"]);
  stream.leave();
});

test("the same id is another event for another audience; for the same audience with another payload it is refused", async () => {
  const [one, two] = [await world.login(), await world.login()];
  const to = ({ userId }: Device, n: number) => ({ user_id: userId, event_type: "a.b", event_id: "shared", payload: n });
  expect((await world.call("/publish", { events: [to(one, 1), to(two, 1)] })).status).toBe(200);
  const refused = await world.call("/publish", { events: [{ ...to(one, 1), event_id: "fresh" }, to(two, 2)] });
  expect(await answer(refused)).toEqual([
    409,
    { code: "event_id_reused", message: "the event id belongs to another event: item 1" },
  ]);
  const fresh = await world.call("/publish", { ...to(one, 1), event_id: "fresh" });
  expect(await answer(fresh)).toEqual([200, { event_id: "fresh", duplicate: false }]);
});

test("a client resumes after an event that the private listener took", async () => {
  const device = await world.login();
  const stream = await subscribe(device);
  const publish = (id: string) => world.call("/publish", { user_id: device.userId, event_type: "a.b", event_id: id });
  await publish("r-1");
  await until(() => stream.lastId === "r-1", "the event");
  stream.leave();
  await publish("r-2");
  const resumed = await subscribe(device, JSON.stringify({ resume_after: "r-1" }));
  await until(() => received(resumed).length > 0, "the missed event");
  expect(received(resumed).map(([id]) => id)).toEqual(["r-2"]);
  resumed.leave();
});

test("a revocation of a session ends its streams; one of a user ends all streams of the user", async () => {
  const email = "several@example.com";
  const [one, two, three] = [await world.login(email), await world.login(email), await world.login(email)];
  const streams = await Promise.all([one, two, three].map((device) => subscribe(device)));
  expect(await answer(await world.call("/revoke", { device_session_id: one.deviceSessionId, reason: "lost phone" }))).toEqual([
    200,
    { revocations: 1 },
  ]);
  await until(() => streams[0]?.ended === "SESSION_REVOKED", "the stream of the session to end");
  expect(streams.slice(1).map(({ ended }) => ended)).toEqual([undefined, undefined]);
  expect((await world.call("/revoke", { revocations: [{ user_id: two.userId }] })).status).toBe(200);
  await until(() => streams.every(({ ended }) => ended === "SESSION_REVOKED"), "all streams of the user to end");
});

test("white space of JSON around an event is accepted, and base64 with and without padding", async () => {
  for (const text of ["", "AA", "AA==", "AAA", "AAA=", "AAAA", "_-_-", "+/+/"]) {
    const body = `\r\n\t ${JSON.stringify({ user_id: "u", event_type: "a.b", payload_bytes: text })} \t\r\n`;
    expect([text, (await world.call("/publish", body)).status]).toEqual([text, 200]);
  }
});

test.each(["A", "=", "AA=", "AAA==", "AAAAA", "QUJD=", "QUJD==", "AA==AA==", "AA-_+A=="])(
  "payload_bytes of a length or form that base64 cannot have is refused: %s",
  async (text) => {
    const [status, body] = await answer(await world.call("/publish", { user_id: "u", event_type: "a.b", payload_bytes: text }));
    const problem = { index: 0, field: "payload_bytes", message: "expected base64" };
    expect([status, body.errors]).toEqual([400, [problem]]);
  },
);

describe("a call that breaks a rule publishes nothing and says what is wrong", () => {
  const event = { user_id: "u", event_type: "a.b" };
  const cases: readonly [name: string, body: unknown, status: number, answer: unknown][] = [
    ["no audience", { event_type: "a.b" }, 400, { index: 0, field: null, message: "expected user_id or device_session_id" }],
    ["an unknown field", { ...event, usr: "x" }, 400, expect.objectContaining({ index: 0, field: "usr" })],
    [
      "a null",
      { ...event, device_session_id: null },
      400,
      { index: 0, field: "device_session_id", message: "expected a string" },
    ],
    ["a number", { ...event, user_id: 7 }, 400, { index: 0, field: "user_id", message: "expected a string" }],
    ["two spellings", { ...event, userId: "u" }, 400, expect.objectContaining({ field: "userId" })],
    ["two payloads", { ...event, payload: 1, payload_bytes: "" }, 400, expect.objectContaining({ field: "payload" })],
    ["bad base64", { ...event, payload_bytes: "+_" }, 400, { index: 0, field: "payload_bytes", message: "expected base64" }],
    ["a reserved type", { ...event, event_type: "gateway.x" }, 400, expect.objectContaining({ field: "event_type" })],
    ["a bad id", { ...event, event_id: "a b" }, 400, expect.objectContaining({ field: "event_id" })],
    ["not an object", "[]", 400, { index: 0, field: null, message: "expected a JSON object" }],
  ];
  test.each(cases)("%s", async (_, body, status, problem) => {
    const before = await metric(world.gateway, "sallyport_events_total", '{kind="client_event"}');
    expect(await answer(await world.call("/publish", body))).toEqual([
      status,
      { code: "invalid_request", message: "the call has invalid items", errors: [problem] },
    ]);
    expect(await metric(world.gateway, "sallyport_events_total", '{kind="client_event"}')).toBe(before);
  });

  test("one wrong item of a batch refuses the whole batch, by its index", async () => {
    const before = await metric(world.gateway, "sallyport_events_total", '{kind="client_event"}');
    const [status, body] = await answer(await world.call("/publish", { events: [event, { ...event, event_type: "no" }, {}] }));
    expect([status, body.errors.map(({ index }: { index: number }) => index)]).toEqual([400, [1, 2]]);
    expect(await metric(world.gateway, "sallyport_events_total", '{kind="client_event"}')).toBe(before);
  });

  test.each([
    ["not JSON", '{"user_id":', 400, "/publish"],
    ["a name that occurs twice", '{"user_id":"u","user_id":"v","event_type":"a.b"}', 400, "/publish"],
    [
      "a name that occurs twice in a payload",
      '{"user_id":"u","event_type":"a.b","payload":{"a":1,"\\u0061":2}}',
      400,
      "/publish",
    ],
    ["a lone surrogate", '{"user_id":"u","event_type":"a.b","payload":"\\ud800"}', 400, "/publish"],
    ["an empty batch", '{"events":[]}', 400, "/publish"],
    ["a batch with another field", '{"events":[],"user_id":"u"}', 400, "/publish"],
    ["more than 1000 items", JSON.stringify({ events: Array.from({ length: 1001 }, () => event) }), 413, "/publish"],
    ["a revocation with an event's field", '{"user_id":"u","event_type":"a.b"}', 400, "/revoke"],
    ["a revocation of nobody", "{}", 400, "/revoke"],
    ...["\u00a0", "\ufeff", "\u2028", "\v", "\f", "\u3000"].flatMap((space) => {
      const [name, one] = [`white space that is not JSON: U+${space.charCodeAt(0).toString(16)}`, JSON.stringify(event)];
      return [
        [`${name}, before`, `${space}${one}`, 400, "/publish"],
        [`${name}, after`, `${one}${space}`, 400, "/publish"],
        [`${name}, around a batch`, `${space}{"events":[${one}]}${space}`, 400, "/publish"],
        [`${name}, in a batch`, `{"events":[${space}${one}]}`, 400, "/publish"],
        [`${name}, before a revocation`, `${space}{"user_id":"u"}`, 400, "/revoke"],
      ] as const;
    }),
  ] as const)("%s", async (_, body, status, path) => {
    expect((await world.call(path, body)).status).toBe(status);
  });
});

describe("with push.log_file", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-publish-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("a client resumes after a restart of the gateway, and a repeat is still known", async () => {
    const logged = await openPublishingWorld({ "push.log_file": join(folder, "log"), "keys.current": SEED });
    await using opened = new AsyncDisposableStack();
    opened.defer(() => logged.close());
    const device = await logged.login();
    const open = ({ edgeUrl }: Gateway, payload = "") =>
      EventSubscriber.open(createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" }), device, payload);
    const event = (id: string) => ({ user_id: device.userId, event_type: "a.b", event_id: id, payload: id });
    const stream = await open(logged.gateway);
    await logged.call("/publish", event("l-1"));
    await until(() => stream.lastId === "l-1", "the event");
    stream.leave();
    await logged.call("/publish", { events: [event("l-2"), event("l-3")] });
    await logged.gateway.stop();
    const gateway = await startGateway({ config: logged.config, log: SILENT_LOG });
    opened.defer(async () => void (await gateway.stop()));
    const resumed = await open(gateway, JSON.stringify({ resume_after: "l-1" }));
    await until(() => resumed.lastId === "l-3", "the missed events");
    expect(received(resumed).map(([id]) => id)).toEqual(["l-2", "l-3"]);
    const again = await callPublish(gateway.publishUrl ?? "", "/publish", event("l-3"));
    expect(await again.json()).toEqual({ event_id: "l-3", duplicate: true });
    resumed.leave();
  });

  test("after a damaged event, a client must resync, and the undamaged events are still known", async () => {
    const path = join(folder, "damaged");
    const logged = await openPublishingWorld({ "push.log_file": path, "keys.current": SEED });
    await using opened = new AsyncDisposableStack();
    opened.defer(() => logged.close());
    const device = await logged.login();
    const event = (id: string) => ({ user_id: device.userId, event_type: "a.b", event_id: id, payload: id });
    await logged.call("/publish", { events: [event("l-1"), event("l-2"), event("l-3")] });
    await logged.gateway.stop();
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replace('"l-3"', '"l-4"'));
    const gateway = await startGateway({ config: logged.config, log: SILENT_LOG });
    opened.defer(async () => void (await gateway.stop()));
    const transport = createConnectTransport({ baseUrl: gateway.edgeUrl, httpVersion: "1.1" });
    const stream = await EventSubscriber.open(transport, device, JSON.stringify({ resume_after: "l-1" }));
    await until(() => stream.events.length > 1, "the resync");
    expect(stream.events.map(({ envelope }) => envelope?.eventType)).toEqual(["gateway.server_time", "gateway.resync"]);
    const publish = async (id: string) => (await callPublish(gateway.publishUrl ?? "", "/publish", event(id))).json();
    expect(await publish("l-2")).toEqual({ event_id: "l-2", duplicate: true });
    expect(await publish("l-3")).toEqual({ event_id: "l-3", duplicate: false });
    await until(() => stream.lastId === "l-3", "the repeated event");
    stream.leave();
  });
});
