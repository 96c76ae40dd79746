import { describe, expect, test } from "bun:test";
import { FakeSink } from "./support/fake-sink.ts";
import { AGE_MS, event, HEARTBEAT_MS, refusalOf, setUp } from "./support/setting.ts";

const ROOMY = { perSessionMax: 100, perUserMax: 100, perNetworkMax: 100, totalMax: 100 };

describe("one stream too many", () => {
  test.each([
    ["session", { perSessionMax: 2 }],
    ["user", { perUserMax: 2 }],
    ["ip", { perNetworkMax: 2 }],
    ["all", { totalMax: 2 }],
  ] as const)("by %s is refused by name; the older ones live on, and make room when they end", (scope, change) => {
    const { hub, join, streams } = setUp({ streams: { ...ROOMY, ...change } });
    const older = [join("s-1", "u-1"), join("s-1", "u-1")];
    expect(refusalOf(() => join("s-1", "u-1"))).toBe(`TOO_MANY_STREAMS ${scope}`);
    hub.publish(event({ userId: "u-1" }));
    expect(older.map(({ delivered, ends }) => [delivered, ends])).toEqual([
      [["e-1"], []],
      [["e-1"], []],
    ]);
    older[0]?.leave();
    expect(refusalOf(() => join("s-1", "u-1"))).toBe("admitted");
    expect(streams()).toBe(2);
  });

  test("of one session, user or address leaves room for others", () => {
    const { join, streams } = setUp({ streams: { perSessionMax: 1, perUserMax: 2, perNetworkMax: 3, totalMax: 100 } });
    join("s-1", "u-1");
    join("s-2", "u-1");
    join("s-3", "u-2");
    expect(refusalOf(() => join("s-2", "u-1"))).toBe("TOO_MANY_STREAMS session");
    expect(refusalOf(() => join("s-4", "u-1"))).toBe("TOO_MANY_STREAMS user");
    expect(refusalOf(() => join("s-5", "u-3"))).toBe("TOO_MANY_STREAMS ip");
    expect(refusalOf(() => join("s-5", "u-3", new FakeSink(), { peerNetwork: "192.0.2.2" }))).toBe("admitted");
    expect(streams()).toBe(4);
  });

  test("is counted by what is open: a client that was gone before its stream began takes no room", () => {
    const { join } = setUp({ streams: { ...ROOMY, totalMax: 1 } });
    for (let n = 0; n < 3; n++) {
      const gone = new FakeSink();
      gone.leave();
      join("s-1", "u-1", gone);
    }
    expect(refusalOf(() => join("s-1", "u-1"))).toBe("admitted");
  });
});

describe("a heartbeat", () => {
  test("comes to every stream when its time has come, for all, signed once, the same bytes for all of a codec", () => {
    const { join, pass, signatures } = setUp();
    const sinks = Array.from({ length: 20 }, (_, n) => join(`s-${n}`, `u-${n}`));
    const before = signatures();
    pass(HEARTBEAT_MS - 1);
    expect(sinks[0]?.types).toEqual(["gateway.server_time"]);
    pass(1);
    expect(signatures() - before).toBe(1);
    expect(new Set(sinks.map(({ frames }) => frames[1])).size).toBe(1);
    expect(sinks[7]?.events[1]?.envelope).toMatchObject({ eventType: "gateway.heartbeat", audience: "all" });
    pass(1000);
    pass(HEARTBEAT_MS - 1000);
    expect(sinks.map(({ frames }) => frames.length)).toEqual(sinks.map(() => 3));
    expect(new Set(sinks[0]?.ids).size).toBe(3);
  });

  test("is not signed where nobody listens", () => {
    const { pass, signatures } = setUp();
    pass(HEARTBEAT_MS);
    expect(signatures()).toBe(0);
  });
});

describe("a stream's age", () => {
  test("ends it with STREAM_EXPIRED, an hour give or take a tenth, by chance", () => {
    const chances = [0, 0.5, 0.999_999];
    const { join, pass } = setUp({ random: () => chances.shift() ?? 0 });
    const sinks = [join("s-1", "u-1"), join("s-2", "u-1"), join("s-3", "u-1")];
    const ended = () => sinks.map(({ ends }) => ends.join());
    pass(0.9 * AGE_MS - 1);
    expect(ended()).toEqual(["", "", ""]);
    pass(1);
    expect(ended()).toEqual(["STREAM_EXPIRED", "", ""]);
    pass(0.1 * AGE_MS);
    expect(ended()).toEqual(["STREAM_EXPIRED", "STREAM_EXPIRED", ""]);
    pass(0.1 * AGE_MS);
    expect(ended()).toEqual(["STREAM_EXPIRED", "STREAM_EXPIRED", "STREAM_EXPIRED"]);
  });
});

describe("the list of streams", () => {
  test("comes in pages, oldest first, that miss no stream which stays", () => {
    const { hub, join } = setUp();
    const sinks = Array.from({ length: 5 }, (_, n) => join(`s-${n}`, `u-${n % 2}`));
    const ask = { limit: 2, userId: undefined, deviceSessionId: undefined };
    const first = hub.list({ ...ask, after: 0 });
    sinks[1]?.leave();
    const second = hub.list({ ...ask, after: first.nextAfter ?? 0 });
    const third = hub.list({ ...ask, after: second.nextAfter ?? 0 });
    const sessions = [first, second, third].map((page) => page.streams.map(({ deviceSessionId }) => deviceSessionId));
    expect(sessions).toEqual([["s-0", "s-1"], ["s-2", "s-3"], ["s-4"]]);
    expect(third.nextAfter).toBeUndefined();
  });

  test("tells whose they are, how old and how far behind, of one user or session where that is asked", () => {
    const { hub, join, pass } = setUp();
    join("s-1", "u-1");
    pass(1500);
    const slow = join("s-2", "u-1", new FakeSink("json", "grpc-web"));
    slow.queuedBytes = 77;
    join("s-3", "u-2");
    const ask = { after: 0, limit: 10, userId: undefined, deviceSessionId: undefined };
    expect(hub.list({ ...ask, userId: "u-1" }).streams).toEqual([
      {
        ...{ id: 1, deviceSessionId: "s-1", userId: "u-1", peerNetwork: "192.0.2.1" },
        ...{ protocol: "connect", codec: "proto", ageMs: 1500, unreadBytes: 0 },
      },
      {
        ...{ id: 2, deviceSessionId: "s-2", userId: "u-1", peerNetwork: "192.0.2.1" },
        ...{ protocol: "grpc-web", codec: "json", ageMs: 0, unreadBytes: 77 },
      },
    ]);
    expect(hub.list({ ...ask, deviceSessionId: "s-3" }).streams.map(({ id }) => id)).toEqual([3]);
  });
});

test("whatever ends a stream, it is counted once, by its reason", () => {
  const { hub, join, counted } = setUp();
  const sinks = [join("s-1", "u-1"), join("s-2", "u-1"), join("s-3", "u-2")];
  sinks[0]?.leave();
  hub.revoke({ userId: "u-1" });
  hub.shutDown();
  for (const sink of sinks) sink.leave();
  const ended = [...counted].filter(([name]) => name.startsWith("sallyport_streams_ended_total "));
  expect(Object.fromEntries(ended)).toEqual({
    "sallyport_streams_ended_total client": 1,
    "sallyport_streams_ended_total SESSION_REVOKED": 1,
    "sallyport_streams_ended_total SHUTTING_DOWN": 1,
  });
});
