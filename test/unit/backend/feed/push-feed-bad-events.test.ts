import { afterEach, describe, expect, test } from "bun:test";
import { WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { PushFeed, type PushFeedOptions } from "../../../../src/backend/feed/push-feed.ts";
import { openPushLink } from "../../../../src/backend/feed/push-transport.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { until } from "../../../support/until.ts";
import { PushServer, rawEvent, rawKind } from "../support/push-server.ts";
import { RecordingLog, RecordingMetrics, RecordingSink } from "../support/recorders.ts";

/** Events that break the contract are skipped: the feed continues, and later events are delivered. */

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

/** U+D800, a lone surrogate, encoded as if it were UTF-8. */
const LONE_SURROGATE = new Uint8Array([0xed, 0xa0, 0x80]);
const LATIN_1 = new Uint8Array([0x6d, 0xfc, 0x64, 0x65]);
const [CLIENT_EVENT, INVALIDATION] = [2, 3];

describe.each(["grpc", "connect", "grpc-web"] as const)("over %s", (protocol) => {
  test("a revocation with a lone surrogate in its reason is counted and reported to its user; the feed continues", async () => {
    const { server, has, deliveries, droppedFor } = await open({}, protocol);
    server.pushNumber(1);
    server.push(rawKind(INVALIDATION, [1, "u1"], [3, LONE_SURROGATE]));
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

describe("an event that breaks the contract is skipped:", () => {
  const cases: [string, Parameters<PushServer["push"]>[0], string, string][] = [
    ["a reason that is not UTF-8", rawKind(INVALIDATION, [2, "s1"], [3, LATIN_1]), "bad_reason", "lost revocation /s1"],
    ["a reason that is not UTF-8, without an audience", rawKind(INVALIDATION, [3, LATIN_1]), "bad_reason", "gap"],
    ["a user id that is not UTF-8", rawKind(INVALIDATION, [1, LATIN_1]), "bad_user_id", "gap"],
    [
      "a session id that is not UTF-8",
      rawKind(CLIENT_EVENT, [1, "u1"], [2, LONE_SURROGATE], [3, "a.b"]),
      "bad_device_session_id",
      "gap",
    ],
    [
      "a user id that is not UTF-8, with a valid session id",
      rawKind(CLIENT_EVENT, [1, LATIN_1], [2, "s1"]),
      "bad_user_id",
      "lost /s1",
    ],
    ["a type that is not UTF-8", rawKind(CLIENT_EVENT, [1, "u1"], [3, LONE_SURROGATE]), "bad_event_type", "lost u1/"],
    [
      "an event id that is not UTF-8",
      rawKind(CLIENT_EVENT, [1, "u1"], [3, "a.b"], [4, LONE_SURROGATE]),
      "bad_event_id",
      "lost u1/",
    ],
    ["a truncated field", rawEvent(CLIENT_EVENT, new Uint8Array([9, 0x0a, 5])), "undecodable", "gap"],
    ["a truncated event", rawEvent(CLIENT_EVENT, new Uint8Array([3, 0x0a, 9, 0x61])), "undecodable", "gap"],
    ["a kind of the wrong wire type", rawEvent(INVALIDATION, new Uint8Array([1]), WireType.Varint), "undecodable", "gap"],
    ["a string of the wrong wire type", rawEvent(CLIENT_EVENT, new Uint8Array([2, 0x08, 1])), "undecodable", "gap"],
    ["an unterminated group", rawEvent(99, new Uint8Array([0x0a, 1]), WireType.StartGroup), "undecodable", "gap"],
    ["two user ids", rawKind(CLIENT_EVENT, [1, "u1"], [1, "u2"], [3, "a.b"]), "undecodable", "gap"],
    ["an unknown kind", rawKind(4, [1, "u1"]), "unknown_kind", "gap"],
    ["a cursor that is too long", { cursor: "c".repeat(1025) }, "bad_cursor", ""],
  ];
  test.each(cases)("%s", async (_name, event, reason, notice) => {
    const { server, has, deliveries, droppedFor } = await open();
    server.push(event);
    server.pushNumber(2);
    await has("event 2");
    expect(deliveries()).toEqual([...(notice === "" ? [] : [notice]), "event 2"]);
    expect(droppedFor(reason)).toBe(1);
    expect(server.subscriptions).toHaveLength(1);
  });

  test("with a log line that names the cursor, the audience, the field and the rule, but not the payload", async () => {
    const { server, has, log } = await open();
    server.push(rawKind(CLIENT_EVENT, [1, "u1"], [3, "Bad Type"], [4, "e-1"], [5, "secret"]));
    server.pushNumber(2);
    await has("event 2");
    const [line = ""] = log.lines.filter((each) => each.startsWith("push feed message dropped"));
    expect(JSON.parse(line.slice(line.indexOf("{")))).toEqual({
      ...{ reason: "bad_event_type", cursor: "1", kind: "event", user_id: "u1", event_id: "e-1", field: "event_type" },
      rule: "expected two or more words of a-z, 0-9 and '_', separated by dots",
    });
  });

  test("an unreadable cursor; the feed resumes from the previous cursor", async () => {
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

  test("but unknown fields of a later version are ignored", async () => {
    const { server, has, deliveries } = await open();
    server.push(rawKind(CLIENT_EVENT, [1, "u1"], [3, "a.b"], [4, "new"], [77, "?"]));
    server.push(rawEvent(16, new Uint8Array([1]), WireType.Varint));
    server.pushNumber(3);
    await has("event 3");
    expect(deliveries()).toEqual(["event new", "event 3"]);
  });
});

test("many dropped events without a known audience cause at most one gap per second", async () => {
  const { server, metrics, has, deliveries, sink } = await open();
  for (let count = 0; count < 100; count++) server.push(rawKind(4, [1, "u1"]));
  server.pushNumber(101);
  await has("event 101");
  expect(deliveries()).toEqual(["gap", "event 101"]);
  // The second gap is for streams that opened after the first.
  await sink.until((entries) => entries.filter((entry) => entry === "gap").length === 2);
  expect(metrics.values.get('sallyport_events_dropped_total{reason="unknown_kind"}')).toBe(100);
});

describe("a backend whose streams open and deliver nothing", () => {
  const lastStateAfter = async (streams: number, { server, sink }: Awaited<ReturnType<typeof open>>) => {
    const before = server.subscriptions.length;
    await until(() => server.subscriptions.length > before + streams, "more streams");
    return sink.entries.slice(-1);
  };

  test("counts as down if each stream fails after its headers, and as up once a stream stays open", async () => {
    const opened = await open({ backoffMaxMs: 2000, sleep: () => Bun.sleep(1) });
    const { server, feed, sink } = opened;
    server.failWith = new ConnectError("the database is away", Code.Unavailable);
    server.cut();
    await until(() => server.subscriptions.length > 3, "some streams");
    const ups = sink.entries.filter((entry) => entry === "up").length;
    expect(await lastStateAfter(5, opened)).toEqual(["down"]);
    expect(sink.entries.filter((entry) => entry === "up")).toHaveLength(ups);
    expect(ups).toBeLessThanOrEqual(3);
    server.failWith = undefined;
    await until(() => feed.isUp, "the feed to be up");
  });

  test("because the next event cannot be encoded: after five failures the feed discards its cursor and reports a gap", async () => {
    const { server, has, deliveries, log } = await open();
    server.pushNumber(1);
    await has("event 1");
    // grpc-go ends a stream with this error if it cannot encode the next event.
    server.push(() => {
      throw new ConnectError("grpc: error while marshaling: string field contains invalid UTF-8", Code.Internal);
    });
    await has("gap");
    server.pushNumber(3);
    await has("event 3");
    expect(deliveries()).toEqual(["event 1", "gap", "event 3"]);
    expect(log.lines.join()).toContain("push feed cursor discarded");
    expect(server.subscriptions.map(({ cursor }) => cursor)).toEqual(["", "1", "1", "1", "1", "1", ""]);
  });
});
