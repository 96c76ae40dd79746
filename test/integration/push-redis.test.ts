import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Gateway, startGateway } from "../../src/app/gateway.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { callPublish, openPublishingWorld, type PublishingWorld } from "../support/publishing-world.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { type Device, metric } from "../support/world.ts";

/** `push.source = redis`: two gateways with stores in memory read one Redis Stream. */

const reason = NO_REDIS === undefined ? "" : ` (skipped: ${NO_REDIS})`;
const STREAM = "sallyport:push";

describe.skipIf(NO_REDIS !== undefined)(`two gateways on one Redis Stream${reason}`, () => {
  let redis: TestRedis;
  let world: PublishingWorld;
  let second: Gateway;
  beforeAll(async () => {
    redis = await TestRedis.start();
    const quick = { "push.backoff_min_ms": 1, "push.backoff_max_ms": 50, "keys.current": SEED } as const;
    world = await openPublishingWorld({ ...quick, "push.source": "redis", "push.redis.url": redis.url });
    second = await startGateway({ config: world.config, log: SILENT_LOG });
    await isUp(second);
  });
  afterAll(async () => {
    await second.stop();
    await world.close();
    await redis.close();
  });

  const isUp = (gateway: Gateway) =>
    until(async () => (await metric(gateway, "sallyport_push_feed_up")) === 1, "the feed to be up");
  const gaps = (gateway: Gateway) => metric(gateway, "sallyport_push_feed_gaps_total");
  const subscribe = ({ edgeUrl }: Gateway, device: Device, payload = "") =>
    EventSubscriber.open(createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" }), device, payload);
  const idsOf = ({ events }: EventSubscriber) => events.slice(1).map(({ envelope }) => envelope?.eventId);
  const both = async (device: Device) => [await subscribe(world.gateway, device), await subscribe(second, device)] as const;
  const add = (...fields: string[]) => redis.ask("XADD", STREAM, "*", ...fields);

  test("an event that one gateway takes reaches the streams of both; a repeat at the other one is known", async () => {
    const device = await world.login();
    const streams = await both(device);
    const event = { user_id: device.userId, event_type: "a.b", event_id: "p-1", payload: { n: 1 } };
    const first = await callPublish(world.publishUrl, "/publish", event);
    expect([first.status, await first.json()]).toEqual([200, { event_id: "p-1", duplicate: false }]);
    const again = await callPublish(second.publishUrl ?? "", "/publish", { events: [event, { ...event, event_id: "p-2" }] });
    expect(await again.json()).toEqual({
      events: [
        { event_id: "p-1", duplicate: true },
        { event_id: "p-2", duplicate: false },
      ],
    });
    const reused = await callPublish(second.publishUrl ?? "", "/publish", {
      events: [
        { ...event, event_id: "p-3" },
        { ...event, payload: 2 },
      ],
    });
    expect([reused.status, (await reused.json()).message]).toEqual([409, "the event id belongs to another event: item 1"]);
    await callPublish(world.publishUrl, "/publish", { ...event, event_id: "p-4" });
    for (const stream of streams) {
      await until(() => stream.lastId === "p-4", "the last event");
      expect(idsOf(stream)).toEqual(["p-1", "p-2", "p-4"]);
      stream.leave();
    }
  });

  test("a client resumes at the other gateway, after an event with an id and after one without", async () => {
    const device = await world.login();
    const stream = await subscribe(world.gateway, device);
    await add("event", JSON.stringify({ user_id: device.userId, event_type: "a.b" }));
    await until(() => stream.events.length > 1, "the event");
    stream.leave();
    await add("event", JSON.stringify({ user_id: device.userId, event_type: "a.b", event_id: "m-1" }));
    const resumed = await subscribe(second, device, JSON.stringify({ resume_after: stream.lastId }));
    await until(() => resumed.lastId === "m-1", "the missed event");
    expect(idsOf(resumed)).toEqual(["m-1"]);
    resumed.leave();
  });

  test("a revocation ends the streams at both gateways", async () => {
    const device = await world.login();
    const streams = await both(device);
    expect((await callPublish(second.publishUrl ?? "", "/revoke", { device_session_id: device.deviceSessionId })).status).toBe(
      200,
    );
    await until(() => streams.every(({ ended }) => ended === "SESSION_REVOKED"), "the streams to end");
  });

  test("the lines of the page add an event, its fields and a revocation", async () => {
    const page = await Bun.file(join(import.meta.dir, "../../proto/backend.md")).text();
    const [, block = ""] = /^```sh\n(redis-cli[\s\S]*?)^```$/m.exec(page) ?? [];
    const device = await world.login();
    const stream = await subscribe(world.gateway, device);
    const lines = block
      .replaceAll("redis://127.0.0.1:6379", redis.url)
      .replaceAll("u-1", device.userId)
      .replaceAll("ds-1", device.deviceSessionId);
    const child = Bun.spawn(["bash", "-euo", "pipefail", "-c", lines], { stdout: "pipe", stderr: "pipe" });
    expect([await new Response(child.stderr).text(), await child.exited]).toEqual(["", 0]);
    await until(() => stream.ended === "SESSION_REVOKED", "the revocation");
    expect(idsOf(stream)).toEqual(["order-7-ready", "order-7-paid"]);
    expect([stream.payloads("order.ready"), stream.payloads("order.paid")]).toEqual([[{ order: 7 }], [{ order: 7 }]]);
  });

  test("bad entries are counted and dropped; their audience gets a resync, and the next entry is delivered", async () => {
    const device = await world.login();
    const stream = await subscribe(world.gateway, device);
    const dropped = (reason: string) => metric(world.gateway, "sallyport_events_dropped_total", `{reason="${reason}"}`);
    const entry = { user_id: device.userId, event_type: "a.b" };
    await add("event", JSON.stringify({ ...entry, event_type: "gateway.x" }));
    await add("event", `{"user_id":"x","user_id":"y","event_type":"a.b"}`);
    await add("unknown", "field");
    await add("event", JSON.stringify(entry), "more", "fields");
    await add("event", JSON.stringify({ ...entry, payload: "x".repeat(3 * 1024 * 1024) }));
    const misspelt = await add("event", JSON.stringify({ user_id: device.userId, event_typ: "a.b", payload: "secret" }));
    await add("event_type", "a.b", "user_id", device.userId, "event_id", "two words");
    await add("event", JSON.stringify({ ...entry, event_id: "good" }));
    await until(() => stream.lastId === "good" || idsOf(stream).includes("good"), "the good entry");
    const counted = await Promise.all(
      ["reserved_event_type", "undecodable", "unknown_kind", "too_large", "bad_event_id"].map(dropped),
    );
    expect(counted).toEqual([1, 2, 2, 1, 1]);
    const droppedLines = () => {
      const lines = world.logged().split("\n");
      return lines.filter((line) => line.includes("push feed message dropped"));
    };
    await until(() => droppedLines().some((line) => line.includes("bad_event_id")), "the log lines");
    const lines = droppedLines();
    const logged = lines.map((line) => JSON.parse(line));
    expect(logged.find(({ cursor }) => cursor === misspelt)).toMatchObject({
      ...{ reason: "undecodable", kind: "event", user_id: device.userId, field: "event_typ" },
      rule: "unknown field; the fields are user_id, device_session_id, event_type, event_id, payload and payload_bytes",
    });
    expect(logged.find(({ reason }) => reason === "bad_event_id")).toMatchObject({
      ...{ user_id: device.userId, event_type: "a.b", field: "event_id" },
      rule: "expected at most 128 visible ASCII characters",
    });
    expect(lines.join()).not.toMatch(/secret|xxx|two words/);
    expect(stream.events.filter(({ envelope }) => envelope?.eventType === "gateway.resync").length).toBeGreaterThan(1);
    stream.leave();
  });

  test("a payload that is not UTF-8 is dropped, and its user gets a resync; the next entry is delivered", async () => {
    const device = await world.login();
    const stream = await subscribe(world.gateway, device);
    const script = String.raw`redis.call('XADD', KEYS[1], '*', 'user_id', ARGV[1], 'event_type', 'a.b', 'payload', 'a\255\254b')`;
    await redis.ask("EVAL", script, "1", STREAM, device.userId);
    await add("event", JSON.stringify({ user_id: device.userId, event_type: "a.b", event_id: "after" }));
    await until(() => stream.lastId === "after", "the next entry");
    const types = stream.events.slice(1).map(({ envelope }) => envelope?.eventType);
    expect(types).toEqual(["gateway.resync", "a.b"]);
    stream.leave();
  });

  test("a key of another type, and then a stream again: the feed is down, then a gap", async () => {
    const before = await gaps(world.gateway);
    await redis.ask("DEL", STREAM);
    await redis.ask("SET", STREAM, "not a stream");
    await until(async () => (await metric(world.gateway, "sallyport_push_feed_up")) === 0, "the feed to be down");
    const hint = `the key ${STREAM} is not a stream (WRONGTYPE); delete the key, or set push.redis.stream to another one`;
    await until(() => world.logged().includes(`"reason":"${hint}"`), "the cause in the log");
    const device = await world.login();
    const refused = await callPublish(world.publishUrl, "/publish", { user_id: device.userId, event_type: "a.b" });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    await redis.ask("DEL", STREAM);
    await isUp(world.gateway);
    expect(await gaps(world.gateway)).toBeGreaterThan(before);
  });

  test("a flush and entries with older ids: every stream gets a resync, then the new events", async () => {
    const device = await world.login();
    await callPublish(world.publishUrl, "/publish", { user_id: device.userId, event_type: "a.b", event_id: "f-1" });
    const stream = await subscribe(world.gateway, device);
    await redis.ask("FLUSHALL");
    await until(() => idsOf(stream).length > 0, "the resync");
    expect(stream.events.at(-1)?.envelope?.eventType).toBe("gateway.resync");
    await redis.ask(
      "XADD",
      STREAM,
      "1-1",
      "event",
      JSON.stringify({ user_id: device.userId, event_type: "a.b", event_id: "old-id" }),
    );
    await until(() => stream.lastId === "old-id", "the event with the old id");
    stream.leave();
  });

  test("a Redis user with the rights that the page names can read and publish", async () => {
    const commands = [
      "evalsha",
      "eval",
      "xread",
      "exists",
      "xinfo",
      "xrange",
      "xrevrange",
      "time",
      "xlen",
      "xadd",
      "get",
      "set",
    ];
    const page = await Bun.file(join(import.meta.dir, "../../proto/backend.md")).text();
    const [, rights = ""] = /\*\*Rights\*\* of the Redis user:([\s\S]*)$/.exec(page) ?? [];
    expect([...rights.matchAll(/`([A-Z]+)`/g)].map(([, name = ""]) => name.toLowerCase()).toSorted()).toEqual(
      commands.toSorted(),
    );
    await redis.ask("ACL", "SETUSER", "push", "reset", "on", ">secret", "~narrow*", ...commands.map((name) => `+${name}`));
    const url = redis.url.replace("redis://", "redis://push:secret@");
    const config = { ...world.config, "push.redis.url": url, "push.redis.stream": "narrow" };
    const gateway = await startGateway({ config, log: SILENT_LOG });
    try {
      await isUp(gateway);
      const device = await world.login();
      const stream = await subscribe(gateway, device);
      const event = { user_id: device.userId, event_type: "a.b", event_id: "narrow-1" };
      expect((await callPublish(gateway.publishUrl ?? "", "/publish", event)).status).toBe(200);
      await until(() => stream.lastId === "narrow-1", "the event");
      stream.leave();
    } finally {
      await gateway.stop();
    }
  });
});
