import { describe, expect, test } from "bun:test";
import { FakeSink } from "./support/fake-sink.ts";
import { AGE_MS, createHub, event, HEARTBEAT_MS, refusalOf, shutDown } from "./support/hub-fixture.ts";

const ROOMY = { perSessionMax: 100, perUserMax: 100, perNetworkMax: 100, totalMax: 100 };

describe("the limit of open streams", () => {
  test.each([
    ["session", { perSessionMax: 2 }],
    ["user", { perUserMax: 2 }],
    ["ip", { perNetworkMax: 2 }],
    ["all", { totalMax: 2 }],
  ] as const)(
    "per %s refuses a new stream and names the scope; open streams stay, and a closed one makes room",
    (scope, change) => {
      const { hub, subscribe, streams } = createHub({ streams: { ...ROOMY, ...change } });
      const older = [subscribe("s-1", "u-1"), subscribe("s-1", "u-1")];
      expect(refusalOf(() => subscribe("s-1", "u-1"))).toBe(`TOO_MANY_STREAMS ${scope}`);
      hub.publish(event({ userId: "u-1" }));
      expect(older.map(({ delivered, ends }) => [delivered, ends])).toEqual([
        [["e-1"], []],
        [["e-1"], []],
      ]);
      older[0]?.disconnect();
      expect(refusalOf(() => subscribe("s-1", "u-1"))).toBe("admitted");
      expect(streams()).toBe(2);
    },
  );

  test("of one session, user or network does not affect others", () => {
    const { subscribe, streams } = createHub({ streams: { perSessionMax: 1, perUserMax: 2, perNetworkMax: 3, totalMax: 100 } });
    subscribe("s-1", "u-1");
    subscribe("s-2", "u-1");
    subscribe("s-3", "u-2");
    expect(refusalOf(() => subscribe("s-2", "u-1"))).toBe("TOO_MANY_STREAMS session");
    expect(refusalOf(() => subscribe("s-4", "u-1"))).toBe("TOO_MANY_STREAMS user");
    expect(refusalOf(() => subscribe("s-5", "u-3"))).toBe("TOO_MANY_STREAMS ip");
    expect(refusalOf(() => subscribe("s-5", "u-3", new FakeSink(), { peerNetwork: "192.0.2.2" }))).toBe("admitted");
    expect(streams()).toBe(4);
  });

  test("ignores streams whose client disconnected before registration", () => {
    const { subscribe } = createHub({ streams: { ...ROOMY, totalMax: 1 } });
    for (let n = 0; n < 3; n++) {
      const disconnected = new FakeSink();
      disconnected.disconnect();
      subscribe("s-1", "u-1", disconnected);
    }
    expect(refusalOf(() => subscribe("s-1", "u-1"))).toBe("admitted");
  });
});

describe("a heartbeat", () => {
  test("goes to every stream after each interval, signed once, as one array per codec", () => {
    const { subscribe, advance, signatures } = createHub();
    const sinks = Array.from({ length: 20 }, (_, n) => subscribe(`s-${n}`, `u-${n}`));
    const before = signatures();
    advance(HEARTBEAT_MS - 1);
    expect(sinks[0]?.types).toEqual(["gateway.server_time"]);
    advance(1);
    expect(signatures() - before).toBe(1);
    expect(new Set(sinks.map(({ frames }) => frames[1])).size).toBe(1);
    expect(sinks[7]?.events[1]?.envelope).toMatchObject({ eventType: "gateway.heartbeat", audience: "all" });
    advance(1000);
    advance(HEARTBEAT_MS - 1000);
    expect(sinks.map(({ frames }) => frames.length)).toEqual(sinks.map(() => 3));
    expect(new Set(sinks[0]?.ids).size).toBe(3);
  });

  test("is not signed if no stream is open", () => {
    const { advance, signatures } = createHub();
    advance(HEARTBEAT_MS);
    expect(signatures()).toBe(0);
  });
});

describe("a stream's age", () => {
  test("ends it with STREAM_EXPIRED after 90 % to 110 % of the configured age, at random", () => {
    const randoms = [0, 0.5, 0.999_999];
    const { subscribe, advance } = createHub({ random: () => randoms.shift() ?? 0 });
    const sinks = [subscribe("s-1", "u-1"), subscribe("s-2", "u-1"), subscribe("s-3", "u-1")];
    const ended = () => sinks.map(({ ends }) => ends.join());
    advance(0.9 * AGE_MS - 1);
    expect(ended()).toEqual(["", "", ""]);
    advance(1);
    expect(ended()).toEqual(["STREAM_EXPIRED", "", ""]);
    advance(0.1 * AGE_MS);
    expect(ended()).toEqual(["STREAM_EXPIRED", "STREAM_EXPIRED", ""]);
    advance(0.1 * AGE_MS);
    expect(ended()).toEqual(["STREAM_EXPIRED", "STREAM_EXPIRED", "STREAM_EXPIRED"]);
  });
});

describe("the list of streams", () => {
  test("has pages, oldest first, that contain every stream that stays open", () => {
    const { hub, subscribe } = createHub();
    const sinks = Array.from({ length: 5 }, (_, n) => subscribe(`s-${n}`, `u-${n % 2}`));
    const query = { limit: 2, userId: undefined, deviceSessionId: undefined };
    const first = hub.list({ ...query, after: 0 });
    sinks[1]?.disconnect();
    const second = hub.list({ ...query, after: first.nextAfter ?? 0 });
    const third = hub.list({ ...query, after: second.nextAfter ?? 0 });
    const sessions = [first, second, third].map((page) => page.streams.map(({ deviceSessionId }) => deviceSessionId));
    expect(sessions).toEqual([["s-0", "s-1"], ["s-2", "s-3"], ["s-4"]]);
    expect(third.nextAfter).toBeUndefined();
  });

  test("describes each stream, and can be filtered by user and by session", () => {
    const { hub, subscribe, advance } = createHub();
    subscribe("s-1", "u-1");
    advance(1500);
    const slow = subscribe("s-2", "u-1", new FakeSink("json", "grpc-web"));
    slow.queuedBytes = 77;
    subscribe("s-3", "u-2");
    const query = { after: 0, limit: 10, userId: undefined, deviceSessionId: undefined };
    expect(hub.list({ ...query, userId: "u-1" }).streams).toEqual([
      {
        ...{ id: 1, deviceSessionId: "s-1", userId: "u-1", peerNetwork: "192.0.2.1" },
        ...{ kind: "stream" as const, protocol: "connect", codec: "proto", ageMs: 1500, unreadBytes: 0 },
      },
      {
        ...{ id: 2, deviceSessionId: "s-2", userId: "u-1", peerNetwork: "192.0.2.1" },
        ...{ kind: "stream" as const, protocol: "grpc-web", codec: "json", ageMs: 0, unreadBytes: 77 },
      },
    ]);
    expect(hub.list({ ...query, deviceSessionId: "s-3" }).streams.map(({ id }) => id)).toEqual([3]);
  });
});

test("every end of a stream is counted once, by its reason", () => {
  const { hub, subscribe, counters } = createHub();
  const sinks = [subscribe("s-1", "u-1"), subscribe("s-2", "u-1"), subscribe("s-3", "u-2")];
  sinks[0]?.disconnect();
  hub.revoke({ userId: "u-1" });
  shutDown(hub);
  for (const sink of sinks) sink.disconnect();
  const ended = [...counters].filter(([name]) => name.startsWith("sallyport_streams_ended_total "));
  expect(Object.fromEntries(ended)).toEqual({
    "sallyport_streams_ended_total client": 1,
    "sallyport_streams_ended_total SESSION_REVOKED": 1,
    "sallyport_streams_ended_total SHUTTING_DOWN": 1,
  });
});
