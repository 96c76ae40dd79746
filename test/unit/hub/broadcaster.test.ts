import { describe, expect, test } from "bun:test";
import { FakeSink } from "./support/fake-sink.ts";
import { event, HEARTBEAT_MS, setUp } from "./support/setting.ts";

const STREAMS = 1200;
const ROOMY = { perSessionMax: STREAMS, perUserMax: STREAMS + 1, perNetworkMax: STREAMS + 1, totalMax: STREAMS + 1 };

/** A hub with many streams of one user, whose deferred work a test does when it likes. */
function crowd() {
  const deferred: (() => void)[] = [];
  const setting = setUp({ streams: ROOMY, defer: (work) => void deferred.push(work) });
  const sinks = Array.from({ length: STREAMS }, (_, n) => setting.join(`s-${n}`, "u-1"));
  const doDeferred = () => {
    for (let work = deferred.shift(); work !== undefined; work = deferred.shift()) work();
  };
  const reached = (type: string) => sinks.filter(({ types }) => types.includes(type)).length;
  return { ...setting, sinks, doDeferred, reached };
}

describe("an event for all streams", () => {
  test("is delivered some streams at a time, signed once, each once, and to none that came later", () => {
    const { pass, join, reached, doDeferred, sinks, signatures } = crowd();
    const before = signatures();
    pass(HEARTBEAT_MS);
    const late = join("s-late", "u-1");
    expect(reached("gateway.heartbeat")).toBeGreaterThan(0);
    expect(reached("gateway.heartbeat")).toBeLessThan(STREAMS / 2);
    doDeferred();
    expect(reached("gateway.heartbeat")).toBe(STREAMS);
    expect(sinks.every(({ types }) => types.length === 2)).toBe(true);
    expect(late.types).toEqual(["gateway.server_time"]);
    // The heartbeat's, and the opening of the late stream.
    expect(signatures() - before).toBe(2);
  });

  test("is overtaken by nothing: what is published meanwhile comes after it on every stream", () => {
    const { hub, pass, doDeferred, sinks } = crowd();
    pass(HEARTBEAT_MS);
    hub.publish(event({ userId: "u-1", eventId: "e-1" }));
    hub.publish(event({ deviceSessionId: `s-${STREAMS - 1}`, eventId: "e-2" }));
    hub.resyncAudience({ userId: "u-1", deviceSessionId: "" });
    doDeferred();
    const told = ["gateway.server_time", "gateway.heartbeat", "chat.message", "gateway.resync"];
    for (const sink of sinks.slice(0, -1)) expect(sink.types).toEqual(told);
    expect(sinks.at(-1)?.ids.slice(2, 4)).toEqual(["e-1", "e-2"]);
  });

  test("is over before the next begins", () => {
    const { hub, pass, doDeferred, sinks } = crowd();
    pass(HEARTBEAT_MS);
    hub.gap();
    doDeferred();
    for (const { types } of sinks) expect(types).toEqual(["gateway.server_time", "gateway.heartbeat", "gateway.resync"]);
  });

  test("reaches whoever is still there, also where others leave while it is under way", () => {
    const { pass, doDeferred, sinks, hub } = crowd();
    pass(HEARTBEAT_MS);
    for (const sink of sinks.slice(0, STREAMS - 10)) sink.leave();
    doDeferred();
    expect(sinks.slice(-10).every(({ types }) => types.includes("gateway.heartbeat"))).toBe(true);
    hub.shutDown();
    expect(sinks.at(-1)?.ends).toEqual(["SHUTTING_DOWN"]);
  });
});

test("an event that is lost is told to its streams as a resync, for its audience, and to nobody else", () => {
  const { hub, join } = setUp();
  const [mine, mineToo, others] = [join("s-1", "u-1"), join("s-2", "u-1", new FakeSink("json")), join("s-3", "u-2")];
  hub.resyncAudience({ userId: "u-1", deviceSessionId: "" });
  hub.resyncAudience({ userId: "", deviceSessionId: "s-2" });
  expect(mine.types).toEqual(["gateway.server_time", "gateway.resync"]);
  expect(mineToo.events.slice(1).map(({ envelope }) => envelope?.audience)).toEqual(["user:u-1", "session:s-2"]);
  expect(others.types).toEqual(["gateway.server_time"]);
});
