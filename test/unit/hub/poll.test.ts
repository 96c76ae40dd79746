import { describe, expect, test } from "bun:test";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { type GatewayEvent, GatewayEventSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import type { Poll } from "../../../src/hub/event-collector.ts";
import type { Hub } from "../../../src/hub/hub.ts";
import { LocalStreams } from "../../../src/hub/local-streams.ts";
import { FRAME_HEADER_BYTES } from "../../../src/rpc/frame.ts";
import { collect, createHub, event, HEARTBEAT_MS, refusalOf, shutDown } from "./support/hub-fixture.ts";

/** The events of an answer. */
function eventsOf(frames: readonly Uint8Array[], codec: "proto" | "json" = "proto"): GatewayEvent[] {
  return frames.map((frame) => {
    const bytes = frame.subarray(FRAME_HEADER_BYTES);
    return codec === "proto"
      ? fromBinary(GatewayEventSchema, bytes)
      : fromJsonString(GatewayEventSchema, new TextDecoder().decode(bytes));
  });
}

const idsOf = (events: readonly GatewayEvent[]) => events.map(({ envelope }) => envelope?.eventId ?? "");
const typesOf = (events: readonly GatewayEvent[]) => events.map(({ envelope }) => envelope?.eventType ?? "");
const answer = (hub: Hub, poll: Poll) => eventsOf(hub.answer(poll));
const serverTimeOf = ([first]: readonly GatewayEvent[]) => JSON.parse(new TextDecoder().decode(first?.payloadBytes));

describe("a poll", () => {
  test("that missed nothing is not ready, and becomes ready at the first event", () => {
    const { hub, poll } = createHub();
    const { collector } = poll("s-1", "u-1");
    let wakes = 0;
    collector.onReady(() => wakes++);
    expect([collector.isReady, wakes]).toEqual([false, 0]);
    hub.publish(event({ userId: "u-2" }));
    expect([collector.isReady, wakes]).toEqual([false, 0]);
    hub.publish(event({ userId: "u-1", eventId: "e-1" }));
    hub.publish(event({ userId: "u-1", eventId: "e-2" }));
    expect([collector.isReady, wakes]).toEqual([true, 1]);
  });

  test("answers with gateway.server_time of its request and the time of the answer, then the events in order", () => {
    const { hub, poll, advance, clock } = createHub();
    const waiting = poll("s-1", "u-1");
    for (const eventId of ["e-1", "e-2", "e-3"]) hub.publish(event({ userId: "u-1", eventId }));
    advance(20_000);
    const events = answer(hub, waiting);
    expect(serverTimeOf(events)).toMatchObject({
      server_time_ms: clock.now(),
      request_id: "request-of-s-1",
      user_id: "u-1",
      resumed: false,
    });
    expect(idsOf(events).slice(1)).toEqual(["e-1", "e-2", "e-3"]);
  });

  test("gets the same bytes of an event as a stream, in both codecs, and the event is signed once", () => {
    const { hub, poll, subscribe, signatures } = createHub();
    const stream = subscribe("s-1", "u-1");
    const polls = [poll("s-1", "u-1"), poll("s-2", "u-1"), poll("s-1", "u-1", collect({ codec: "json" }))];
    const before = signatures();
    hub.publish(event({ userId: "u-1" }));
    expect(signatures() - before).toBe(1);
    const [first, second, json] = polls.map((each) => hub.answer(each)[1] ?? expect.unreachable());
    expect(first).toEqual(stream.frames[1] ?? expect.unreachable());
    expect(second).toBe(first ?? expect.unreachable());
    expect(eventsOf([json ?? expect.unreachable()], "json")).toEqual(eventsOf([first ?? expect.unreachable()]));
  });

  test("is ready at once if it missed events, and returns them", () => {
    const { hub, poll } = createHub();
    const [id = ""] = idsOf(answer(hub, poll("s-1", "u-1")));
    hub.publish(event({ userId: "u-1", eventId: "e-1" }));
    const next = poll("s-1", "u-1", collect(), { resumeAfter: id });
    expect(next.collector.isReady).toBe(true);
    const events = answer(hub, next);
    expect([serverTimeOf(events).resumed, idsOf(events)[1]]).toEqual([true, "e-1"]);
  });

  test("without resume_after gets only what is published from now on", () => {
    const { hub, poll } = createHub();
    hub.publish(event({ userId: "u-1", eventId: "before" }));
    const waiting = poll("s-1", "u-1");
    hub.publish(event({ userId: "u-1", eventId: "after" }));
    expect(idsOf(answer(hub, waiting)).slice(1)).toEqual(["after"]);
  });

  test("gets no heartbeat, does not expire, and never ends as a slow consumer", () => {
    const { hub, poll, advance } = createHub({
      streamAgeMs: 1000,
      outbox: { bytesMax: 1000, messagesMax: 1 },
      history: { eventsMax: 1, bytesMax: 1000, totalBytesMax: 1000, ageMs: 1 },
    });
    const waiting = poll("s-1", "u-1");
    for (let n = 0; n < 3; n++) advance(HEARTBEAT_MS);
    expect(waiting.collector.isReady).toBe(false);
    for (let n = 0; n < 50; n++) hub.publish(event({ userId: "u-1", eventId: `e-${n}`, payloadBytes: new Uint8Array(2000) }));
    expect(answer(hub, waiting)).toHaveLength(51);
  });

  test("counts for the stream limits until it is answered or canceled", () => {
    const { hub, poll, subscribe, streams } = createHub({
      streams: { perSessionMax: 2, perUserMax: 100, perNetworkMax: 100, totalMax: 100 },
    });
    const [first, second] = [poll("s-1", "u-1"), poll("s-1", "u-1")];
    expect(refusalOf(() => poll("s-1", "u-1"))).toBe("TOO_MANY_STREAMS session");
    expect(refusalOf(() => subscribe("s-1", "u-1"))).toBe("TOO_MANY_STREAMS session");
    hub.answer(first);
    second.collector.cancel();
    expect(streams()).toBe(0);
    poll("s-1", "u-1");
    expect(streams()).toBe(1);
  });

  test("is listed as a poll, and its end is not counted as the end of a stream", () => {
    const { hub, poll, counters } = createHub();
    const waiting = poll("s-1", "u-1", collect({ codec: "json", protocol: "grpc" }));
    const query = { after: 0, limit: 10, userId: undefined, deviceSessionId: undefined };
    expect(hub.list(query).streams).toMatchObject([{ kind: "poll", protocol: "grpc", codec: "json", unreadBytes: 0 }]);
    hub.answer(waiting);
    expect(counters.get("sallyport_streams_ended_total")).toBeUndefined();
  });
});

describe("an answer", () => {
  const full = (change: Parameters<typeof collect>[0]) => {
    const { hub, poll } = createHub();
    const [start = ""] = idsOf(answer(hub, poll("s-1", "u-1")));
    const sizes = [10, 500, 10, 2000, 10];
    for (const [n, size] of sizes.entries())
      hub.publish(event({ userId: "u-1", eventId: `e-${n}`, payloadBytes: new Uint8Array(size) }));
    const answers: string[][] = [];
    for (let last = start; answers.flat().length < sizes.length; ) {
      const events = answer(hub, poll("s-1", "u-1", collect(change), { resumeAfter: last }));
      expect(serverTimeOf(events).resumed).toBe(true);
      const ids = idsOf(events).slice(1);
      answers.push(ids);
      last = ids.at(-1) ?? "";
    }
    return answers;
  };

  test("has at most events_max events, and the next answers have the rest", () => {
    expect(full({ eventsMax: 2 })).toEqual([["e-0", "e-1"], ["e-2", "e-3"], ["e-4"]]);
    expect(full({ eventsMax: 1 })).toEqual([["e-0"], ["e-1"], ["e-2"], ["e-3"], ["e-4"]]);
  });

  test("has at most its maximum size, but at least one event, and the next answers have the rest", () => {
    expect(full({ bytesMax: 1100 })).toEqual([["e-0", "e-1"], ["e-2"], ["e-3"], ["e-4"]]);
    expect(full({ bytesMax: 1 })).toEqual([["e-0"], ["e-1"], ["e-2"], ["e-3"], ["e-4"]]);
  });

  test("to a full poll has no event that was published later, even if that event would fit", () => {
    const { hub, poll } = createHub();
    const waiting = poll("s-1", "u-1", collect({ bytesMax: 1500 }));
    hub.publish(event({ userId: "u-1", eventId: "small" }));
    hub.publish(event({ userId: "u-1", eventId: "large", payloadBytes: new Uint8Array(2000) }));
    hub.publish(event({ deviceSessionId: "s-1", eventId: "tiny" }));
    expect(idsOf(answer(hub, waiting)).slice(1)).toEqual(["small"]);
    const rest = answer(hub, poll("s-1", "u-1", collect(), { resumeAfter: "small" }));
    expect(idsOf(rest).slice(1)).toEqual(["large", "tiny"]);
  });
});

describe("the id of the last event", () => {
  const resume = (fixture: ReturnType<typeof createHub>, resumeAfter: string | undefined) =>
    answer(fixture.hub, fixture.poll("s-1", "u-1", collect(), { resumeAfter }));

  test("resumes if it is gateway.server_time, even if the history evicted everything while the poll waited", () => {
    const fixture = createHub({ history: { eventsMax: 1, bytesMax: 1000, totalBytesMax: 1000, ageMs: 1 } });
    const waiting = fixture.poll("s-1", "u-1");
    for (let n = 0; n < 10; n++) fixture.hub.publish(event({ userId: "u-2", eventId: `other-${n}` }));
    fixture.advance(25_000);
    const [last] = idsOf(answer(fixture.hub, waiting));
    const events = resume(fixture, last);
    expect([typesOf(events), serverTimeOf(events).resumed]).toEqual([["gateway.server_time"], true]);
  });

  test("resumes if it is an event that was too large to store", () => {
    const fixture = createHub({ history: { eventsMax: 10, bytesMax: 2000, totalBytesMax: 100_000, ageMs: 60_000 } });
    const waiting = fixture.poll("s-1", "u-1");
    fixture.hub.publish(event({ userId: "u-1", eventId: "huge", payloadBytes: new Uint8Array(5000) }));
    const [, last] = idsOf(answer(fixture.hub, waiting));
    expect(last).toBe("huge");
    fixture.hub.publish(event({ userId: "u-1", eventId: "next" }));
    expect(idsOf(resume(fixture, last)).slice(1)).toEqual(["next"]);
  });

  test("resumes if it is gateway.resync", () => {
    const fixture = createHub();
    const [, last] = idsOf(resume(fixture, "unknown id"));
    fixture.hub.publish(event({ userId: "u-1", eventId: "next" }));
    expect(idsOf(resume(fixture, last)).slice(1)).toEqual(["next"]);
  });

  test("leads to gateway.resync, never to a gap, if the history has lost what came after it", () => {
    const fixture = createHub({ history: { eventsMax: 2, bytesMax: 100_000, totalBytesMax: 100_000, ageMs: 60_000 } });
    const [last] = idsOf(resume(fixture, undefined));
    for (const eventId of ["e-1", "e-2", "e-3"]) fixture.hub.publish(event({ userId: "u-1", eventId }));
    for (const lost of [last, "e-1", "e-of-another-user", `${last}x`]) {
      const events = resume(fixture, lost);
      expect([typesOf(events), serverTimeOf(events).resumed]).toEqual([["gateway.server_time", "gateway.resync"], false]);
    }
  });

  test("of gateway.server_time before a gateway.resync does not resume without it", () => {
    const fixture = createHub();
    const [first] = idsOf(resume(fixture, "unknown id"));
    expect(typesOf(resume(fixture, first))).toEqual(["gateway.server_time", "gateway.resync"]);
  });
});

describe("a gap in the push feed", () => {
  test("reaches a poll that is answered before the broadcast does", () => {
    const deferred: (() => void)[] = [];
    const many = { perSessionMax: 2000, perUserMax: 2000, perNetworkMax: 2000, totalMax: 2000 };
    const fixture = createHub({ streams: many, defer: (work) => void deferred.push(work) });
    for (let n = 0; n < 1200; n++) fixture.subscribe("s-many", "u-many");
    const waiting = fixture.poll("s-1", "u-1");
    fixture.revocations.append({});
    fixture.hub.gap();
    expect(waiting.collector.isReady).toBe(false);
    const events = answer(fixture.hub, waiting);
    expect(typesOf(events)).toEqual(["gateway.server_time", "gateway.resync"]);
    expect(deferred).toHaveLength(1);
  });
});

describe("a revocation", () => {
  test("between look-up and registration refuses the poll", () => {
    const { poll, revocations, streams } = createHub();
    const mark = revocations.mark();
    revocations.append({ userId: "u-1" });
    expect(refusalOf(() => poll("s-1", "u-1", collect(), { mark }))).toBe("SESSION_REVOKED");
    expect(streams()).toBe(0);
  });

  test("while the poll waits wakes and refuses it", () => {
    const { hub, poll } = createHub();
    const waiting = poll("s-1", "u-1");
    let wakes = 0;
    waiting.collector.onReady(() => wakes++);
    expect(hub.revoke({ userId: "u-1" })).toBe(1);
    expect(wakes).toBe(1);
    expect(refusalOf(() => hub.answer(waiting))).toBe("SESSION_REVOKED");
  });

  test("after events were collected refuses the poll, even if the poll is full", () => {
    for (const eventsMax of [1, 100]) {
      const { hub, poll } = createHub();
      const waiting = poll("s-1", "u-1", collect({ eventsMax }));
      for (const eventId of ["e-1", "e-2"]) hub.publish(event({ userId: "u-1", eventId }));
      hub.revoke({ deviceSessionId: "s-1" });
      expect(refusalOf(() => hub.answer(waiting))).toBe("SESSION_REVOKED");
    }
  });
});

describe("a shutdown", () => {
  test("ends a waiting poll with SHUTTING_DOWN, and refuses new polls", () => {
    const { hub, poll, streams } = createHub();
    const waiting = poll("s-1", "u-1");
    shutDown(hub);
    expect([waiting.collector.isReady, streams()]).toEqual([true, 0]);
    expect(refusalOf(() => hub.answer(waiting))).toBe("SHUTTING_DOWN");
    expect(refusalOf(() => poll("s-1", "u-1"))).toBe("SHUTTING_DOWN");
  });

  test("lets a poll return the events that it has collected", () => {
    const { hub, poll } = createHub();
    const waiting = poll("s-1", "u-1");
    hub.publish(event({ userId: "u-1", eventId: "e-1" }));
    shutDown(hub);
    expect(idsOf(answer(hub, waiting)).slice(1)).toEqual(["e-1"]);
  });
});

describe("the end of the streams while another process has taken over", () => {
  test("answers a waiting poll, with the events until the answer, and ends a stream", () => {
    const fixture = createHub();
    const { hub, poll, subscribe } = fixture;
    const stream = subscribe("s-1", "u-1");
    const waiting = poll("s-1", "u-1");
    expect([hub.beginEnd(), waiting.collector.isReady]).toEqual([2, false]);
    hub.endStreams();
    expect([stream.ends, waiting.collector.isReady]).toEqual([["SHUTTING_DOWN"], true]);
    hub.publish(event({ userId: "u-1", eventId: "e-late" }));
    expect(idsOf(answer(hub, waiting)).slice(1)).toEqual(["e-late"]);
  });

  test("answers later polls without a wait, and refuses later streams", () => {
    const { hub, poll, subscribe } = createHub();
    hub.refuseStreams(true);
    hub.endStreams();
    const late = poll("s-1", "u-1");
    expect(late.collector.isReady).toBe(true);
    expect(typesOf(answer(hub, late))).toEqual(["gateway.server_time"]);
    expect(refusalOf(() => subscribe("s-1", "u-1"))).toBe("SHUTTING_DOWN");
  });

  test("lets an answer without events resume, and opens new polls", () => {
    const { hub, poll } = createHub();
    const waiting = poll("s-1", "u-1");
    hub.endStreams();
    const [resumeAfter = ""] = idsOf(answer(hub, waiting));
    hub.publish(event({ userId: "u-1", eventId: "e-1" }));
    expect(idsOf(answer(hub, poll("s-1", "u-1", collect(), { resumeAfter }))).slice(1)).toEqual(["e-1"]);
  });
});

describe("a poll while the history is filled after a start", () => {
  const filling = () => {
    const fixture = createHub();
    fixture.hub.publish(event({ userId: "u-1", eventId: "before" }), "c-1");
    fixture.hub.beginFill();
    const waiting = fixture.poll("s-1", "u-1", collect(), { resumeAfter: "before" });
    fixture.hub.publish(event({ userId: "u-1", eventId: "filled" }), "c-2");
    return { ...fixture, waiting };
  };

  test("gets no event of the fill, and the next poll has it", () => {
    const { hub, poll, waiting } = filling();
    const events = answer(hub, waiting);
    expect(typesOf(events)).toEqual(["gateway.server_time"]);
    const next = answer(hub, poll("s-1", "u-1", collect(), { resumeAfter: idsOf(events)[0] }));
    expect(idsOf(next).slice(1)).toEqual(["filled"]);
  });

  test("gets gateway.resync at the end of the fill", () => {
    const { hub, waiting } = filling();
    hub.endFill();
    expect(typesOf(answer(hub, waiting))).toEqual(["gateway.server_time", "gateway.resync"]);
  });
});

test("the wait for the history is part of the wait of a poll", async () => {
  const { hub, clock } = createHub();
  const historyFilled = async () => clock.advance(5000);
  const streams = new LocalStreams({ hub, clock, historyFilled, defer: setImmediate });
  const admission = {
    deviceSessionId: "s-1",
    userId: "u-1",
    peerNetwork: "192.0.2.1",
    mark: 0,
    requestId: "r",
    resumeAfter: undefined,
  };
  const request = { codec: "proto", protocol: "connect", eventsMax: 1, bytesMax: 1000, waitMs: 5000 } as const;
  const answered = streams.poll(admission, request, new AbortController().signal);
  const first = await Promise.race([answered, Bun.sleep(2000).then(() => undefined)]);
  expect([first?.frames.length, first?.waitedMs]).toEqual([1, 5000]);
});
