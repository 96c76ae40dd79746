import { describe, expect, test } from "bun:test";
import { FakeSink } from "./support/fake-sink.ts";
import { createHub, event, HEARTBEAT_MS, refusalOf } from "./support/hub-fixture.ts";

const HISTORY = { eventsMax: 100, bytesMax: 100_000, totalBytesMax: 1_000_000, ageMs: 60_000 };
const RESYNC = ["gateway.server_time", "gateway.resync"];

function resumable(history: Partial<typeof HISTORY> = {}) {
  const fixture = createHub({ history: { ...HISTORY, ...history } });
  const { hub, subscribe } = fixture;
  const toUser = (...ids: string[]) => {
    for (const eventId of ids) hub.publish(event({ userId: "u-1", eventId }));
  };
  const toSession = (eventId: string, deviceSessionId = "s-1") => hub.publish(event({ deviceSessionId, eventId }));
  const resume = (resumeAfter: string | undefined, sink = new FakeSink()) => subscribe("s-1", "u-1", sink, { resumeAfter });
  return { ...fixture, toUser, toSession, resume };
}

describe("a stream that resumes", () => {
  test("gets the missed events of its session and its user in the order of publication, then new ones", () => {
    const { toUser, toSession, resume } = resumable();
    toUser("e-1", "e-2");
    toSession("e-3");
    toSession("other-session", "s-2");
    toUser("e-4");
    toSession("e-5");
    const sink = resume("e-2");
    toUser("e-6");
    expect(sink.delivered).toEqual(["e-3", "e-4", "e-5", "e-6"]);
    expect(sink.serverTime.resumed).toBe(true);
    expect(resume("e-3").delivered).toEqual(["e-4", "e-5", "e-6"]);
    expect(resume("e-6").types).toEqual(["gateway.server_time"]);
  });

  test("gets the same array that other streams got, without a new signature", () => {
    const { subscribe, toUser, resume, signatures } = resumable();
    const live = subscribe("s-2", "u-1");
    toUser("e-1", "e-2");
    const before = signatures();
    const sink = resume("e-1");
    expect(sink.frames[1]).toBe(live.frames[2] ?? expect.unreachable());
    expect(signatures() - before).toBe(1);
  });

  test("encodes stored events as JSON for each stream, because the history keeps only the binary encoding", () => {
    const { toUser, resume } = resumable();
    toUser("e-1", "e-2");
    const [first, second] = [resume("e-1", new FakeSink("json")), resume("e-1", new FakeSink("json"))];
    expect(first.frames[1]).toEqual(second.frames[1]);
    expect(first.frames[1]).not.toBe(second.frames[1]);
  });

  test("gets missed events as JSON if its codec is JSON", () => {
    const { toUser, resume } = resumable();
    toUser("e-1", "e-2");
    expect(resume("e-1", new FakeSink("json")).delivered).toEqual(["e-2"]);
  });

  test("gets events that were published while no stream was open, with the time of their publication", () => {
    const { clock, toUser, resume } = resumable();
    toUser("e-1");
    clock.advance(1000);
    toUser("e-2");
    const at = BigInt(clock.now());
    clock.advance(1000);
    const [, missed] = resume("e-1").events;
    expect(missed?.envelope).toMatchObject({ eventId: "e-2", timestampMs: at, audience: "user:u-1" });
  });

  test("can resume after a heartbeat or any other event of the gateway's own", () => {
    const { advance, toUser, toSession, resume } = resumable();
    const first = resume(undefined);
    toUser("e-1");
    advance(HEARTBEAT_MS);
    toUser("e-2");
    toSession("e-3");
    const [serverTime = "", , heartbeat = ""] = first.ids;
    const second = resume(heartbeat);
    expect(second.delivered).toEqual(["e-2", "e-3"]);
    expect(resume(serverTime).delivered).toEqual(["e-1", "e-2", "e-3"]);
    // A client that was cut off after server_time has not received the missed events.
    expect(resume(second.ids[0]).delivered).toEqual(["e-2", "e-3"]);
    expect(resume(second.ids.at(-1)).serverTime.resumed).toBe(true);
  });

  test("can resume after its last heartbeat even if all older events have expired", () => {
    const { advance, toUser, resume } = resumable({ ageMs: 2 * HEARTBEAT_MS });
    toUser("e-1");
    const sink = resume("e-1");
    for (let n = 0; n < 10; n++) advance(HEARTBEAT_MS);
    expect(resume("e-1").types).toEqual(RESYNC);
    expect(resume(sink.ids.at(-1)).serverTime.resumed).toBe(true);
  });

  test("gets the same events if it resumes from the same id again", () => {
    const { toUser, resume } = resumable();
    toUser("e-1", "e-2", "e-3");
    for (let n = 0; n < 3; n++) expect(resume("e-1").delivered).toEqual(["e-2", "e-3"]);
  });

  test("is counted by outcome: whole or resync", () => {
    const { toUser, resume, counters } = resumable();
    toUser("e-1");
    resume("e-1");
    resume("unknown");
    resume(undefined);
    expect(counters.get("sallyport_resumes_total whole")).toBe(1);
    expect(counters.get("sallyport_resumes_total resync")).toBe(1);
  });
});

describe("a stream that resumes gets a resync and no missed event if", () => {
  function expectResync(sink: FakeSink) {
    expect(sink.types).toEqual(RESYNC);
    expect(sink.serverTime.resumed).toBe(false);
    expect(sink.events[1]?.envelope?.audience).toBe("session:s-1");
  }

  test("its event id is unknown", () => {
    const { toUser, resume } = resumable();
    toUser("e-1");
    expectResync(resume("e-0"));
  });

  test("its event id is another user's", () => {
    const { hub, resume } = resumable();
    hub.publish(event({ userId: "u-2", eventId: "e-1" }));
    expectResync(resume("e-1"));
  });

  test("its event id has a position of another process, or a future position", () => {
    const { resume } = resumable();
    expectResync(resume("another-process.hello.hello"));
    expectResync(resume("made-1.zzzzzzzzzz.1"));
  });

  test("its user had more events than its replay buffer holds", () => {
    const { toUser, resume } = resumable({ eventsMax: 3 });
    toUser("e-1", "e-2", "e-3", "e-4");
    expectResync(resume("e-1"));
    expect(resume("e-2").delivered).toEqual(["e-3", "e-4"]);
  });

  test("its session had more events than its replay buffer holds, although those of the user are complete", () => {
    const { toUser, toSession, resume } = resumable({ eventsMax: 3 });
    toUser("e-1");
    for (const id of ["s-1", "s-2", "s-3", "s-4"]) toSession(id);
    expectResync(resume("e-1"));
    expect(resume("s-2").delivered).toEqual(["s-3", "s-4"]);
  });

  test("its user's events exceeded the bytes of its replay buffer", () => {
    const { toUser, resume } = resumable({ bytesMax: 2000 });
    toUser("e-1", "e-2", "e-3", "e-4", "e-5");
    expectResync(resume("e-1"));
    expect(resume("e-4").delivered).toEqual(["e-5"]);
  });

  test("a later event was too large to store", () => {
    const { hub, toUser, resume } = resumable({ bytesMax: 2000 });
    toUser("e-1");
    hub.publish(event({ userId: "u-1", eventId: "huge", payloadBytes: new Uint8Array(3000) }));
    toUser("e-2", "e-3");
    expectResync(resume("e-1"));
    expect(resume("huge").delivered).toEqual(["e-2", "e-3"]);
    expect(resume("e-2").delivered).toEqual(["e-3"]);
  });

  test("a later event could not be delivered", () => {
    const { hub, toUser, toSession, resume } = resumable();
    toUser("e-1");
    toSession("s-1");
    hub.resyncAudience({ userId: "u-1", deviceSessionId: "" });
    hub.resyncAudience({ userId: "u-2", deviceSessionId: "" });
    hub.resyncAudience({ userId: "u-1", deviceSessionId: "another" });
    toUser("e-2");
    expectResync(resume("e-1"));
    expectResync(resume("s-1"));
    expect(resume("e-2").types).toEqual(["gateway.server_time"]);
  });

  test("its event id is ambiguous: two stored events have it", () => {
    const { toUser, toSession, resume } = resumable();
    toSession("duplicate");
    toUser("e-1", "duplicate", "e-2");
    expectResync(resume("duplicate"));
    expect(resume("e-1").delivered).toEqual(["duplicate", "e-2"]);
  });

  test("a later event has expired", () => {
    const { advance, toUser, resume } = resumable({ ageMs: 60_000 });
    toUser("e-1");
    advance(30_000);
    toUser("e-2", "e-3");
    advance(30_000);
    expectResync(resume("e-1"));
    expect(resume("e-2").delivered).toEqual(["e-3"]);
  });

  test("events of other users filled the total bound of the history", () => {
    const { hub, toUser, resume } = resumable({ totalBytesMax: 3000 });
    toUser("e-1", "e-2");
    for (let n = 0; n < 10; n++) hub.publish(event({ userId: `u-${n + 2}`, eventId: "x" }));
    toUser("e-3", "e-4");
    expectResync(resume("e-1"));
    expect(resume("e-3").delivered).toEqual(["e-4"]);
  });

  test("it was cut off before it received an earlier resync", () => {
    const { resume } = resumable();
    const cut = resume("unknown");
    expectResync(resume(cut.ids[0]));
    expect(resume(cut.ids[1]).serverTime.resumed).toBe(true);
  });
});

describe("after a gap in the push feed", () => {
  test("every stream gets one resync, signed once, and no stream resumes from before the gap", () => {
    const { hub, subscribe, toUser, resume, signatures } = resumable();
    toUser("e-1", "e-2");
    const sinks = [subscribe("s-1", "u-1"), subscribe("s-2", "u-1"), subscribe("s-3", "u-2")];
    const before = signatures();
    hub.gap();
    expect(signatures() - before).toBe(1);
    toUser("e-3", "e-4");
    expect(sinks.map(({ types }) => types.slice(1))).toEqual([
      ["gateway.resync", "chat.message", "chat.message"],
      ["gateway.resync", "chat.message", "chat.message"],
      ["gateway.resync"],
    ]);
    for (const id of ["e-1", "e-2", sinks[0]?.ids[0]]) expect(resume(id).types).toEqual(RESYNC);
    expect(resume("e-3").delivered).toEqual(["e-4"]);
    expect(resume(sinks[2]?.ids[1]).delivered).toEqual(["e-3", "e-4"]);
  });

  test("a stream whose session was looked up before the gap is refused", () => {
    const { hub, subscribe, revocations } = resumable();
    const mark = revocations.mark();
    revocations.append({});
    hub.gap();
    expect(refusalOf(() => subscribe("s-1", "u-1", new FakeSink(), { mark }))).toBe("SESSION_LOOKUP_UNAVAILABLE");
    expect(refusalOf(() => subscribe("s-1", "u-1"))).toBe("admitted");
  });
});

test("the history stays within its total bound, and all events expire", () => {
  const { hub, advance, metrics, gauges } = resumable({ totalBytesMax: 50_000, ageMs: 60_000 });
  const held = () => {
    hub.sample(metrics, []);
    return [gauges.get("sallyport_history_events") ?? -1, gauges.get("sallyport_history_bytes") ?? -1];
  };
  for (let n = 0; n < 1000; n++) hub.publish(event({ userId: `u-${n % 37}`, payloadBytes: new Uint8Array(n % 500) }));
  const [events = 0, bytes = 0] = held();
  expect(events).toBeGreaterThan(20);
  expect(bytes).toBeLessThanOrEqual(50_000);
  advance(60_000);
  expect(held()).toEqual([0, 0]);
});
