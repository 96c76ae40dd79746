import { describe, expect, test } from "bun:test";
import type { ClientEvent } from "../../../src/core/events.ts";
import { EventIds, eventIdKey } from "../../../src/crypto/event-ids.ts";
import { FakeSink } from "./support/fake-sink.ts";
import { createHub, event, HEARTBEAT_MS } from "./support/hub-fixture.ts";

/** Two gateways of one backend receive the same messages with the same cursors. A client moves from one to the other. */

const RESYNC = ["gateway.server_time", "gateway.resync"];
const fillRandom = (bytes: Uint8Array) => void crypto.getRandomValues(bytes);
const key = (seed: number) => eventIdKey(new Uint8Array(32).fill(seed));

function twoGateways() {
  const gateways = [createHub(), createHub()] as const;
  let cursor = 0;
  /** Publishes an event at both gateways. */
  const publish = (change: Partial<ClientEvent>) => {
    cursor++;
    for (const { hub } of gateways) hub.publish(event(change), `c-${cursor}`);
  };
  const reach = (to = `c-${++cursor}`) => {
    for (const { hub } of gateways) hub.reached(to);
  };
  const resume = (at: 0 | 1, resumeAfter: string | undefined) =>
    gateways[at].subscribe("s-1", "u-1", new FakeSink(), { resumeAfter });
  return { gateways, publish, reach, resume };
}

describe("a client that moves to another gateway of the backend resumes", () => {
  test("after an event with an id of the backend", () => {
    const { publish, resume } = twoGateways();
    publish({ userId: "u-1", eventId: "e-1" });
    publish({ userId: "u-2", eventId: "x-1" });
    publish({ userId: "u-1", eventId: "e-2" });
    const sink = resume(1, "e-1");
    expect(sink.serverTime.resumed).toBe(true);
    expect(sink.delivered).toEqual(["e-2"]);
  });

  test("after an event without an id: both gateways give it the same one", () => {
    const { publish, resume } = twoGateways();
    const [first, second] = [resume(0, undefined), resume(1, undefined)];
    publish({ userId: "u-1", eventId: "" });
    publish({ userId: "u-1", eventId: "e-2" });
    expect(first.ids.slice(1)).toEqual(second.ids.slice(1));
    expect(resume(1, first.ids[1]).delivered).toEqual(["e-2"]);
  });

  test("after gateway.server_time, a heartbeat, or a resync of its audience", () => {
    const { gateways, publish, resume } = twoGateways();
    publish({ userId: "u-2", eventId: "x-1" });
    const live = resume(0, undefined);
    publish({ userId: "u-1", eventId: "e-1" });
    publish({ userId: "u-2", eventId: "x-2" });
    gateways[0].advance(HEARTBEAT_MS);
    publish({ userId: "u-1", eventId: "e-2" });
    for (const { hub } of gateways) hub.resyncAudience({ userId: "u-1", deviceSessionId: "" }, "lost-1");
    publish({ userId: "u-1", eventId: "e-3" });
    expect(live.types).toEqual([
      "gateway.server_time",
      "chat.message",
      "gateway.heartbeat",
      "chat.message",
      "gateway.resync",
      "chat.message",
    ]);
    const [serverTime, , heartbeat, , resync] = live.ids;
    expect(resume(1, heartbeat).types).toEqual(RESYNC);
    expect(resume(1, resync).delivered).toEqual(["e-3"]);
    expect(resume(1, serverTime).types).toEqual(RESYNC);
  });

  test("after a heartbeat although nothing was ever for it, and after a cursor of a keepalive or a revocation", () => {
    const { gateways, publish, reach, resume } = twoGateways();
    publish({ userId: "u-2", eventId: "x-1" });
    const live = resume(0, undefined);
    for (let n = 0; n < 3; n++) {
      reach();
      gateways[0].advance(HEARTBEAT_MS);
      expect(resume(1, live.ids.at(-1)).serverTime.resumed).toBe(true);
    }
  });

  test("again and again, also from the server_time of a resumed stream", () => {
    const { publish, resume } = twoGateways();
    publish({ userId: "u-1", eventId: "e-1" });
    publish({ userId: "u-1", eventId: "e-2" });
    const moved = resume(1, "e-1");
    expect(resume(0, moved.ids[0]).delivered).toEqual(["e-2"]);
    expect(resume(0, moved.ids.at(-1)).types).toEqual(["gateway.server_time"]);
  });

  test("although both gateways rotate their keys at different times", () => {
    const before = createHub({ eventIds: new EventIds(() => [key(1), key(2)], fillRandom) });
    const after = createHub({ eventIds: new EventIds(() => [key(2), key(1)], fillRandom) });
    for (const { hub } of [before, after]) hub.publish(event({ userId: "u-2" }), "c-1");
    for (const [from, to] of [
      [before, after],
      [after, before],
    ] as const) {
      const sink = to.subscribe("s-1", "u-1", new FakeSink(), { resumeAfter: from.subscribe("s-1", "u-1").ids[0] });
      expect(sink.serverTime.resumed).toBe(true);
    }
  });
});

describe("a client that moves to another gateway gets a resync if", () => {
  test("that gateway has not received the cursor", () => {
    const { gateways, publish, resume } = twoGateways();
    publish({ userId: "u-1", eventId: "e-1" });
    gateways[0].hub.publish(event({ userId: "u-2" }), "only-there");
    const live = resume(0, undefined);
    expect(resume(1, live.ids[0]).types).toEqual(RESYNC);
  });

  test("the position has no cursor", () => {
    const { gateways, resume } = twoGateways();
    for (const { hub } of gateways) hub.publish(event({ userId: "u-1", eventId: "" }));
    const live = resume(0, undefined);
    expect(resume(0, live.ids[0]).serverTime.resumed).toBe(true);
    expect(resume(1, live.ids[0]).types).toEqual(RESYNC);
  });

  test("that gateway had a gap since then, or evicted an event since then", () => {
    const { gateways, publish, resume } = twoGateways();
    publish({ userId: "u-2", eventId: "x-1" });
    const live = resume(0, undefined);
    gateways[1].hub.gap();
    publish({ userId: "u-1", eventId: "e-1" });
    expect(resume(1, live.ids[0]).types).toEqual(RESYNC);
    expect(resume(0, live.ids[0]).delivered).toEqual(["e-1"]);
    gateways[0].advance(60_000);
    expect(resume(0, live.ids[0]).types).toEqual(RESYNC);
  });

  test("the gateways have no signing key in common", () => {
    const [one, other] = [createHub(), createHub({ eventIds: new EventIds(() => [key(9)], fillRandom) })];
    for (const { hub } of [one, other]) hub.publish(event({ userId: "u-2" }), "c-1");
    const { ids } = one.subscribe("s-1", "u-1");
    expect(other.subscribe("s-1", "u-1", new FakeSink(), { resumeAfter: ids[0] }).types).toEqual(RESYNC);
  });
});

test("a cursor that a backend sends twice never skips an event: the stream resumes from its first occurrence", () => {
  const { hub, subscribe } = createHub();
  hub.publish(event({ userId: "u-1", eventId: "e-1" }), "same");
  const live = subscribe("s-1", "u-1");
  hub.publish(event({ userId: "u-1", eventId: "e-2" }), "same");
  const later = subscribe("s-1", "u-1");
  const resume = (resumeAfter: string | undefined) => subscribe("s-1", "u-1", new FakeSink(), { resumeAfter }).delivered;
  expect(resume(live.ids[0])).toEqual(["e-2"]);
  expect(resume(later.ids[0])).toEqual([]);
});

test("a keepalive that repeats an older cursor does not move the position back", () => {
  const { hub, subscribe } = createHub();
  hub.publish(event({ userId: "u-1", eventId: "e-1" }), "c-1");
  hub.publish(event({ userId: "u-1", eventId: "e-2" }), "c-2");
  hub.reached("c-1");
  const sink = subscribe("s-1", "u-1");
  expect(subscribe("s-1", "u-1", new FakeSink(), { resumeAfter: sink.ids[0] }).delivered).toEqual([]);
});
