import { describe, expect, test } from "bun:test";
import { FakeSink } from "./support/fake-sink.ts";
import { event, HEARTBEAT_MS, refusalOf, setUp } from "./support/setting.ts";

const HISTORY = { eventsMax: 100, bytesMax: 100_000, totalBytesMax: 1_000_000, ageMs: 60_000 };
const RESYNC = ["gateway.server_time", "gateway.resync"];

function resumable(history: Partial<typeof HISTORY> = {}) {
  const setting = setUp({ history: { ...HISTORY, ...history } });
  const { hub, join } = setting;
  const toUser = (...ids: string[]) => {
    for (const eventId of ids) hub.publish(event({ userId: "u-1", eventId }));
  };
  const toSession = (eventId: string, deviceSessionId = "s-1") => hub.publish(event({ deviceSessionId, eventId }));
  const resume = (resumeAfter: string | undefined, sink = new FakeSink()) => join("s-1", "u-1", sink, { resumeAfter });
  return { ...setting, toUser, toSession, resume };
}

describe("a stream that resumes", () => {
  test("gets what it missed, its own and its user's, in the order of the backend, then what comes", () => {
    const { toUser, toSession, resume } = resumable();
    toUser("e-1", "e-2");
    toSession("e-3");
    toSession("for another session", "s-2");
    toUser("e-4");
    toSession("e-5");
    const sink = resume("e-2");
    toUser("e-6");
    expect(sink.delivered).toEqual(["e-3", "e-4", "e-5", "e-6"]);
    expect(sink.opening.resumed).toBe(true);
    expect(resume("e-3").delivered).toEqual(["e-4", "e-5", "e-6"]);
    expect(resume("e-6").types).toEqual(["gateway.server_time"]);
  });

  test("gets the very bytes that others got, signed once", () => {
    const { join, toUser, resume, signatures } = resumable();
    const live = join("s-2", "u-1");
    toUser("e-1", "e-2");
    const before = signatures();
    const sink = resume("e-1");
    expect(sink.frames[1]).toBe(live.frames[2] ?? expect.unreachable());
    expect(signatures() - before).toBe(1);
  });

  test("gets JSON made for it alone: what is remembered is not remembered in both encodings", () => {
    const { toUser, resume } = resumable();
    toUser("e-1", "e-2");
    const [first, second] = [resume("e-1", new FakeSink("json")), resume("e-1", new FakeSink("json"))];
    expect(first.frames[1]).toEqual(second.frames[1]);
    expect(first.frames[1]).not.toBe(second.frames[1]);
  });

  test("gets JSON where it speaks JSON", () => {
    const { toUser, resume } = resumable();
    toUser("e-1", "e-2");
    expect(resume("e-1", new FakeSink("json")).delivered).toEqual(["e-2"]);
  });

  test("gets events that came while nobody listened, with the time at which they came", () => {
    const { clock, toUser, resume } = resumable();
    toUser("e-1");
    clock.ms += 1000;
    toUser("e-2");
    const at = BigInt(clock.now());
    clock.ms += 1000;
    const [, missed] = resume("e-1").events;
    expect(missed?.envelope).toMatchObject({ eventId: "e-2", timestampMs: at, audience: "user:u-1" });
  });

  test("after a heartbeat, or any other event of the gateway's own, is as whole as after one of the backend's", () => {
    const { pass, toUser, toSession, resume } = resumable();
    const first = resume(undefined);
    toUser("e-1");
    pass(HEARTBEAT_MS);
    toUser("e-2");
    toSession("e-3");
    const [serverTime = "", , heartbeat = ""] = first.ids;
    const second = resume(heartbeat);
    expect(second.delivered).toEqual(["e-2", "e-3"]);
    expect(resume(serverTime).delivered).toEqual(["e-1", "e-2", "e-3"]);
    // Cut right after its first message, it has not seen what was to follow.
    expect(resume(second.ids[0]).delivered).toEqual(["e-2", "e-3"]);
    expect(resume(second.ids.at(-1)).opening.resumed).toBe(true);
  });

  test("that was quiet for longer than anything is remembered resumes after its last heartbeat", () => {
    const { pass, toUser, resume } = resumable({ ageMs: 2 * HEARTBEAT_MS });
    toUser("e-1");
    const sink = resume("e-1");
    for (let n = 0; n < 10; n++) pass(HEARTBEAT_MS);
    expect(resume("e-1").types).toEqual(RESYNC);
    expect(resume(sink.ids.at(-1)).opening.resumed).toBe(true);
  });

  test("a second time in a row finds the same", () => {
    const { toUser, resume } = resumable();
    toUser("e-1", "e-2", "e-3");
    for (let n = 0; n < 3; n++) expect(resume("e-1").delivered).toEqual(["e-2", "e-3"]);
  });

  test("is counted, by whether it could be given everything", () => {
    const { toUser, resume, counted } = resumable();
    toUser("e-1");
    resume("e-1");
    resume("unheard of");
    resume(undefined);
    expect(counted.get("sallyport_resumes_total whole")).toBe(1);
    expect(counted.get("sallyport_resumes_total resync")).toBe(1);
  });
});

describe("a stream that cannot be given everything since is told to fetch anew, and given nothing of it:", () => {
  function expectResync(sink: FakeSink) {
    expect(sink.types).toEqual(RESYNC);
    expect(sink.opening.resumed).toBe(false);
    expect(sink.events[1]?.envelope?.audience).toBe("session:s-1");
  }

  test("it names an event that nobody knows", () => {
    const { toUser, resume } = resumable();
    toUser("e-1");
    expectResync(resume("e-0"));
  });

  test("it names another user's event", () => {
    const { hub, resume } = resumable();
    hub.publish(event({ userId: "u-2", eventId: "e-1" }));
    expectResync(resume("e-1"));
  });

  test("it names a position of another process, or one that is yet to come", () => {
    const { resume } = resumable();
    expectResync(resume("another-process.hello.hello"));
    expectResync(resume("made-1.zzzzzzzzzz.1"));
  });

  test("its user had more events than are remembered", () => {
    const { toUser, resume } = resumable({ eventsMax: 3 });
    toUser("e-1", "e-2", "e-3", "e-4");
    expectResync(resume("e-1"));
    expect(resume("e-2").delivered).toEqual(["e-3", "e-4"]);
  });

  test("its session had, though the user's are all there", () => {
    const { toUser, toSession, resume } = resumable({ eventsMax: 3 });
    toUser("e-1");
    for (const id of ["s-1", "s-2", "s-3", "s-4"]) toSession(id);
    expectResync(resume("e-1"));
    expect(resume("s-2").delivered).toEqual(["s-3", "s-4"]);
  });

  test("its user's events were larger than is remembered", () => {
    const { toUser, resume } = resumable({ bytesMax: 2000 });
    toUser("e-1", "e-2", "e-3", "e-4", "e-5");
    expectResync(resume("e-1"));
    expect(resume("e-4").delivered).toEqual(["e-5"]);
  });

  test("one event was too large to be remembered at all", () => {
    const { hub, toUser, resume } = resumable({ bytesMax: 2000 });
    toUser("e-1");
    hub.publish(event({ userId: "u-1", eventId: "huge", payloadBytes: new Uint8Array(3000) }));
    toUser("e-2", "e-3");
    expectResync(resume("e-1"));
    expectResync(resume("huge"));
    expect(resume("e-2").delivered).toEqual(["e-3"]);
  });

  test("an event came in between that nobody could be given", () => {
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

  test("it names an id that came twice: nobody can tell after which of them", () => {
    const { toUser, toSession, resume } = resumable();
    toSession("twin");
    toUser("e-1", "twin", "e-2");
    expectResync(resume("twin"));
    expect(resume("e-1").delivered).toEqual(["twin", "e-2"]);
  });

  test("they are too old", () => {
    const { pass, toUser, resume } = resumable({ ageMs: 60_000 });
    toUser("e-1");
    pass(30_000);
    toUser("e-2", "e-3");
    pass(30_000);
    expectResync(resume("e-1"));
    expect(resume("e-2").delivered).toEqual(["e-3"]);
  });

  test("others' events filled the memory that all share", () => {
    const { hub, toUser, resume } = resumable({ totalBytesMax: 3000 });
    toUser("e-1", "e-2");
    for (let n = 0; n < 10; n++) hub.publish(event({ userId: `u-${n + 2}`, eventId: "x" }));
    toUser("e-3", "e-4");
    expectResync(resume("e-1"));
    expect(resume("e-3").delivered).toEqual(["e-4"]);
  });

  test("and again, where it was cut before it heard so", () => {
    const { resume } = resumable();
    const cut = resume("unheard of");
    expectResync(resume(cut.ids[0]));
    expect(resume(cut.ids[1]).opening.resumed).toBe(true);
  });
});

describe("after a gap of the feed", () => {
  test("every stream is told to fetch anew, once, signed once, and nobody resumes from before", () => {
    const { hub, join, toUser, resume, signatures } = resumable();
    toUser("e-1", "e-2");
    const sinks = [join("s-1", "u-1"), join("s-2", "u-1"), join("s-3", "u-2")];
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

  test("a stream whose session was looked up before it is refused: it may have been revoked unheard", () => {
    const { hub, join, revocations } = resumable();
    const mark = revocations.mark();
    revocations.append({});
    hub.gap();
    expect(refusalOf(() => join("s-1", "u-1", new FakeSink(), { mark }))).toBe("SESSION_LOOKUP_UNAVAILABLE");
    expect(refusalOf(() => join("s-1", "u-1"))).toBe("admitted");
  });
});

test("what is remembered stays within its bounds, and is let go of in time, whoever it is for", () => {
  const { hub, pass, metrics, gauges } = resumable({ totalBytesMax: 50_000, ageMs: 60_000 });
  const held = () => {
    hub.sample(metrics, []);
    return [gauges.get("sallyport_history_events") ?? -1, gauges.get("sallyport_history_bytes") ?? -1];
  };
  for (let n = 0; n < 1000; n++) hub.publish(event({ userId: `u-${n % 37}`, payloadBytes: new Uint8Array(n % 500) }));
  const [events = 0, bytes = 0] = held();
  expect(events).toBeGreaterThan(20);
  expect(bytes).toBeLessThanOrEqual(50_000);
  pass(60_000);
  expect(held()).toEqual([0, 0]);
});
