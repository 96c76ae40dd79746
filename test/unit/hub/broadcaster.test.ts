import { describe, expect, test } from "bun:test";
import { FakeSink } from "./support/fake-sink.ts";
import { createHub, event, HEARTBEAT_MS, shutDown } from "./support/hub-fixture.ts";

const STREAMS = 1200;
const ROOMY = { perSessionMax: STREAMS, perUserMax: STREAMS + 1, perNetworkMax: STREAMS + 1, totalMax: STREAMS + 1 };

/** A hub with 1200 streams of one user. Deferred work runs when the test calls `runDeferred`. */
function createCrowdedHub() {
  const deferred: (() => void)[] = [];
  const fixture = createHub({ streams: ROOMY, defer: (work) => void deferred.push(work) });
  const sinks = Array.from({ length: STREAMS }, (_, n) => fixture.subscribe(`s-${n}`, "u-1"));
  const runDeferred = () => {
    for (let work = deferred.shift(); work !== undefined; work = deferred.shift()) work();
  };
  const reached = (type: string) => sinks.filter(({ types }) => types.includes(type)).length;
  return { ...fixture, sinks, runDeferred, reached };
}

describe("a broadcast", () => {
  test("is delivered in several turns, signed once, once to each stream that was open when it started", () => {
    const { advance, subscribe, reached, runDeferred, sinks, signatures } = createCrowdedHub();
    const before = signatures();
    advance(HEARTBEAT_MS);
    const late = subscribe("s-late", "u-1");
    expect(reached("gateway.heartbeat")).toBeGreaterThan(0);
    expect(reached("gateway.heartbeat")).toBeLessThan(STREAMS / 2);
    runDeferred();
    expect(reached("gateway.heartbeat")).toBe(STREAMS);
    expect(sinks.every(({ types }) => types.length === 2)).toBe(true);
    expect(late.types).toEqual(["gateway.server_time"]);
    // One for the heartbeat, one for the server_time of the late stream.
    expect(signatures() - before).toBe(2);
  });

  test("precedes, on every stream, the events that are published while it is under way", () => {
    const { hub, advance, runDeferred, sinks } = createCrowdedHub();
    advance(HEARTBEAT_MS);
    hub.publish(event({ userId: "u-1", eventId: "e-1" }));
    hub.publish(event({ deviceSessionId: `s-${STREAMS - 1}`, eventId: "e-2" }));
    hub.resyncAudience({ userId: "u-1", deviceSessionId: "" });
    runDeferred();
    const expected = ["gateway.server_time", "gateway.heartbeat", "chat.message", "gateway.resync"];
    for (const sink of sinks.slice(0, -1)) expect(sink.types).toEqual(expected);
    expect(sinks.at(-1)?.ids.slice(2, 4)).toEqual(["e-1", "e-2"]);
  });

  test("finishes before the next broadcast starts", () => {
    const { hub, advance, runDeferred, sinks } = createCrowdedHub();
    advance(HEARTBEAT_MS);
    hub.gap();
    runDeferred();
    for (const { types } of sinks) expect(types).toEqual(["gateway.server_time", "gateway.heartbeat", "gateway.resync"]);
  });

  test("reaches every open stream even if other clients disconnect while it is under way", () => {
    const { advance, runDeferred, sinks, hub } = createCrowdedHub();
    advance(HEARTBEAT_MS);
    for (const sink of sinks.slice(0, STREAMS - 10)) sink.disconnect();
    runDeferred();
    expect(sinks.slice(-10).every(({ types }) => types.includes("gateway.heartbeat"))).toBe(true);
    shutDown(hub);
    expect(sinks.at(-1)?.ends).toEqual(["SHUTTING_DOWN"]);
  });
});

test("a lost event sends a resync to the streams of its audience only", () => {
  const { hub, subscribe } = createHub();
  const [first, second, otherUser] = [
    subscribe("s-1", "u-1"),
    subscribe("s-2", "u-1", new FakeSink("json")),
    subscribe("s-3", "u-2"),
  ];
  hub.resyncAudience({ userId: "u-1", deviceSessionId: "" });
  hub.resyncAudience({ userId: "", deviceSessionId: "s-2" });
  expect(first.types).toEqual(["gateway.server_time", "gateway.resync"]);
  expect(second.events.slice(1).map(({ envelope }) => envelope?.audience)).toEqual(["user:u-1", "session:s-2"]);
  expect(otherUser.types).toEqual(["gateway.server_time"]);
});
