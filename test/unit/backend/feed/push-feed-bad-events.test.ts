import { afterEach, describe, expect, test } from "bun:test";
import { WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { PushFeed, type PushFeedOptions } from "../../../../src/backend/feed/push-feed.ts";
import { openPushLink } from "../../../../src/backend/feed/push-transport.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { until } from "../../../support/until.ts";
import { PushServer, rawEvent, rawKind } from "../support/push-server.ts";
import { RecordingLog, RecordingMetrics, RecordingSink } from "../support/recorders.ts";

/** What a backend sends against the contract stops neither the feed nor what follows. */

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function open(options: Partial<PushFeedOptions & PushServer> = {}, protocol: "grpc" | "connect" | "grpc-web" = "grpc") {
  const server = await new PushServer().start();
  cleanUps.push(() => server.kill());
  const [sink, metrics, log] = [new RecordingSink(), new RecordingMetrics(), new RecordingLog()];
  const feed = new PushFeed({
    ...{ link: openPushLink({ url: server.url, protocol }), gatewayId: "gateway-1", sink, metrics, log },
    ...{ backoffMinMs: 1, backoffMaxMs: 20, clock: systemClock, random: Math.random },
    onStateChange: (isUp) => sink.note(isUp ? "up" : "down"),
    ...options,
  });
  cleanUps.push(() => feed.stop());
  feed.start();
  const has = (entry: string) => sink.until((entries) => entries.includes(entry));
  await has("up");
  const deliveries = () => sink.entries.filter((entry) => entry !== "up" && entry !== "down");
  const droppedFor = (reason: string) => metrics.values.get(`sallyport_events_dropped_total{reason="${reason}"}`);
  return { server, feed, sink, metrics, log, has, deliveries, droppedFor };
}

/** UTF-8 of U+D800, which is half a surrogate pair. */
const HALF_PAIR = new Uint8Array([0xed, 0xa0, 0x80]);
const LATIN_1 = new Uint8Array([0x6d, 0xfc, 0x64, 0x65]);
const [CLIENT_EVENT, INVALIDATION] = [2, 3];

describe.each(["grpc", "connect", "grpc-web"] as const)("over %s", (protocol) => {
  test("half a surrogate pair in a revocation's reason is stepped over: it is counted, its user told, and what follows takes effect", async () => {
    const { server, has, deliveries, droppedFor } = await open({}, protocol);
    server.pushNumber(1);
    server.push(rawKind(INVALIDATION, [1, "u1"], [3, HALF_PAIR]));
    server.pushNumber(3);
    await has("event 3");
    server.cut();
    server.pushNumber(4);
    await has("event 4");
    expect(deliveries()).toEqual(["event 1", "lost revocation u1/", "event 3", "event 4"]);
    expect(droppedFor("bad_reason")).toBe(1);
    expect(server.subscriptions.map(({ cursor }) => cursor)).toEqual(["", "3"]);
  });
});

describe("is stepped over", () => {
  const cases: [string, Parameters<PushServer["push"]>[0], string, string][] = [
    ["a reason that is no UTF-8", rawKind(INVALIDATION, [2, "s1"], [3, LATIN_1]), "bad_reason", "lost revocation /s1"],
    ["a reason that is no UTF-8, of nobody", rawKind(INVALIDATION, [3, LATIN_1]), "bad_reason", "gap"],
    ["a user that is no UTF-8", rawKind(INVALIDATION, [1, LATIN_1]), "bad_user_id", "gap"],
    [
      "a session that is no UTF-8",
      rawKind(CLIENT_EVENT, [1, "u1"], [2, HALF_PAIR], [3, "a.b"]),
      "bad_device_session_id",
      "gap",
    ],
    ["a user that is no UTF-8 beside a session", rawKind(CLIENT_EVENT, [1, LATIN_1], [2, "s1"]), "bad_user_id", "lost /s1"],
    ["a type that is no UTF-8", rawKind(CLIENT_EVENT, [1, "u1"], [3, HALF_PAIR]), "bad_event_type", "lost u1/"],
    ["an id that is no UTF-8", rawKind(CLIENT_EVENT, [1, "u1"], [3, "a.b"], [4, HALF_PAIR]), "bad_event_id", "lost u1/"],
    ["a field that ends within itself", rawEvent(CLIENT_EVENT, new Uint8Array([9, 0x0a, 5])), "undecodable", "gap"],
    ["an event that ends within itself", rawEvent(CLIENT_EVENT, new Uint8Array([3, 0x0a, 9, 0x61])), "undecodable", "gap"],
    ["a kind of another wire type", rawEvent(INVALIDATION, new Uint8Array([1]), WireType.Varint), "undecodable", "gap"],
    ["a text of another wire type", rawEvent(CLIENT_EVENT, new Uint8Array([2, 0x08, 1])), "undecodable", "gap"],
    ["a group that never ends", rawEvent(99, new Uint8Array([0x0a, 1]), WireType.StartGroup), "undecodable", "gap"],
    ["a user twice", rawKind(CLIENT_EVENT, [1, "u1"], [1, "u2"], [3, "a.b"]), "undecodable", "gap"],
    ["a kind that is not known", rawKind(4, [1, "u1"]), "unknown_kind", "gap"],
    ["a cursor that is too long", { cursor: "c".repeat(1025) }, "bad_cursor", ""],
  ];
  test.each(cases)("%s", async (_name, event, reason, told) => {
    const { server, has, deliveries, droppedFor } = await open();
    server.push(event);
    server.pushNumber(2);
    await has("event 2");
    expect(deliveries()).toEqual([...(told === "" ? [] : [told]), "event 2"]);
    expect(droppedFor(reason)).toBe(1);
    expect(server.subscriptions).toHaveLength(1);
  });

  test("whatever it is, from the same cursor again, where its own cannot be read", async () => {
    const { server, feed, has, deliveries } = await open();
    server.pushNumber(1);
    await has("event 1");
    server.push(() => rawEvent(INVALIDATION, new Uint8Array([9]))(""));
    await has("gap");
    server.cut();
    server.pushNumber(3);
    await has("event 3");
    expect(deliveries().filter((each) => each !== "gap")).toEqual(["event 1", "event 3"]);
    expect(server.subscriptions.map(({ cursor }) => cursor)).toEqual(["", "1"]);
    expect(feed.isUp).toBe(true);
  });

  test("what a later version adds to an event, which is no fault", async () => {
    const { server, has, deliveries } = await open();
    server.push(rawKind(CLIENT_EVENT, [1, "u1"], [3, "a.b"], [4, "new"], [77, "?"]));
    server.push(rawEvent(16, new Uint8Array([1]), WireType.Varint));
    server.pushNumber(3);
    await has("event 3");
    expect(deliveries()).toEqual(["event new", "event 3"]);
  });
});

test("events for nobody that come in numbers make everybody fetch anew once a second, not each time", async () => {
  const { server, metrics, has, deliveries, sink } = await open();
  for (let count = 0; count < 100; count++) server.push(rawKind(4, [1, "u1"]));
  server.pushNumber(101);
  await has("event 101");
  expect(deliveries()).toEqual(["gap", "event 101"]);
  // Whoever came after the first is told by the second.
  await sink.until((entries) => entries.filter((entry) => entry === "gap").length === 2);
  expect(metrics.values.get('sallyport_events_dropped_total{reason="unknown_kind"}')).toBe(100);
});

describe("a backend that stands and brings nothing", () => {
  const downFor = async (setting: Awaited<ReturnType<typeof open>>, streams: number) => {
    const { server, sink } = setting;
    const before = server.subscriptions.length;
    await until(() => server.subscriptions.length > before + streams, "more streams");
    return sink.entries.slice(-1);
  };

  test("since it fails after its greeting, is not up; one whose stream holds is", async () => {
    const setting = await open({ backoffMaxMs: 2000, sleep: () => Bun.sleep(1) });
    const { server, feed, sink } = setting;
    server.failWith = new ConnectError("the database is away", Code.Unavailable);
    server.cut();
    await until(() => server.subscriptions.length > 3, "some streams");
    const ups = sink.entries.filter((entry) => entry === "up").length;
    expect(await downFor(setting, 5)).toEqual(["down"]);
    expect(sink.entries.filter((entry) => entry === "up")).toHaveLength(ups);
    expect(ups).toBeLessThanOrEqual(3);
    server.failWith = undefined;
    await until(() => feed.isUp, "the feed to be up");
  });

  test("since it fails over what follows the cursor, is asked for what comes from now on, and everybody told", async () => {
    const { server, has, deliveries, log } = await open();
    server.pushNumber(1);
    await has("event 1");
    // As grpc-go ends a stream whose next event it cannot encode.
    server.push(() => {
      throw new ConnectError("grpc: error while marshaling: string field contains invalid UTF-8", Code.Internal);
    });
    await has("gap");
    server.pushNumber(3);
    await has("event 3");
    expect(deliveries()).toEqual(["event 1", "gap", "event 3"]);
    expect(log.lines.join()).toContain("keeps failing over what follows the cursor");
    expect(server.subscriptions.map(({ cursor }) => cursor)).toEqual(["", "1", "1", "1", "1", "1", ""]);
  });
});
