import { describe, expect, test } from "bun:test";
import { Outbox, WRITE_AHEAD_BYTES } from "../../../src/hub/outbox.ts";
import { FakeSink } from "./support/fake-sink.ts";
import { createHub, event } from "./support/hub-fixture.ts";

const BIG = new Uint8Array(WRITE_AHEAD_BYTES);
const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => `e-${from + n}`);

/** A hub with one client that does not read, and one that reads everything immediately. */
function createSlowAndFast(outbox: { bytesMax: number; messagesMax: number }) {
  const fixture = createHub({ outbox });
  const [slow, fast] = [new FakeSink(), fixture.subscribe("s-fast", "u-1")];
  fixture.subscribe("s-slow", "u-1", slow);
  slow.isBlocked = true;
  let published = 0;
  const publish = (events: number, payloadBytes = BIG) => {
    for (let n = 0; n < events; n++) fixture.hub.publish(event({ userId: "u-1", eventId: `e-${++published}`, payloadBytes }));
  };
  return { ...fixture, slow, fast, publish };
}

describe("a client that does not read", () => {
  test("gets events beyond the write-ahead limit from its outbox when it reads again, in order, as shared arrays", async () => {
    const { slow, fast, publish } = createSlowAndFast({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(20);
    expect(slow.delivered).toEqual(["e-1"]);
    expect(fast.delivered).toEqual(ids(1, 20));
    slow.unblock();
    await Bun.sleep(0);
    publish(1);
    expect(slow.delivered).toEqual(ids(1, 21));
    expect(slow.frames.slice(1).every((frame, at) => frame === fast.frames[at + 1])).toBe(true);
    expect(slow.ends).toEqual([]);
  });

  test("gets SLOW_CONSUMER if its unread bytes, including those in the runtime, exceed the limit; other clients lose no event", () => {
    const { slow, fast, publish, counters, streams } = createSlowAndFast({
      bytesMax: 4 * WRITE_AHEAD_BYTES,
      messagesMax: 1000,
    });
    publish(3);
    expect(slow.ends).toEqual([]);
    // Each frame is slightly larger than the write-ahead limit, so four of them exceed the bound.
    publish(1);
    expect(slow.ends).toEqual(["SLOW_CONSUMER"]);
    publish(3);
    expect(fast.delivered).toEqual(ids(1, 7));
    expect(streams()).toBe(1);
    // The first was written, two were queued, and the last exceeded the limit: three are dropped.
    expect(counters.get("sallyport_events_dropped_total slow_consumer")).toBe(3);
    expect(counters.get("sallyport_event_deliveries_total")).toBe(1 + 7);
  });

  test("adds each event to the delivery metrics when the event leaves the outbox", async () => {
    const { slow, publish, counters, observed, advance } = createSlowAndFast({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(3);
    expect(counters.get("sallyport_event_deliveries_total")).toBe(1 + 3);
    advance(2000);
    slow.unblock();
    await Bun.sleep(0);
    expect(counters.get("sallyport_event_deliveries_total")).toBe(3 + 3);
    expect(observed.get("sallyport_event_delivery_seconds")).toEqual([0, 0, 0, 2, 2]);
  });

  test("gets SLOW_CONSUMER if more messages than the limit are queued, even empty ones", () => {
    const { slow, publish } = createSlowAndFast({ bytesMax: 10_000_000, messagesMax: 10 });
    publish(1);
    publish(10, new Uint8Array(0));
    expect(slow.ends).toEqual([]);
    publish(1, new Uint8Array(0));
    expect(slow.ends).toEqual(["SLOW_CONSUMER"]);
  });

  test("that disconnects during a write counts that event and all queued ones as dropped, not as delivered", async () => {
    const { slow, publish, counters } = createSlowAndFast({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(5);
    slow.write = () => slow.disconnect();
    slow.unblock();
    await Bun.sleep(0);
    expect(counters.get("sallyport_event_deliveries_total")).toBe(1 + 5);
    expect(counters.get("sallyport_events_dropped_total stream_ended")).toBe(4);
    expect(counters.get("sallyport_streams_ended_total client")).toBe(1);
  });

  test("gets no queued event after its stream has ended", async () => {
    const { hub, slow, publish } = createSlowAndFast({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(5);
    hub.revoke({ deviceSessionId: "s-slow" });
    slow.unblock();
    await Bun.sleep(0);
    expect(slow.delivered).toEqual(["e-1"]);
    expect(slow.ends).toEqual(["SESSION_REVOKED"]);
  });

  test("appears in the gauges of unread bytes", () => {
    const { hub, metrics, gauges, slow, publish } = createSlowAndFast({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(3);
    hub.sample(metrics, ["connect", "grpc"]);
    expect(gauges.get("sallyport_outbox_bytes 0.5")).toBe(0);
    expect(gauges.get("sallyport_outbox_bytes 1")).toBe(3 * (slow.frames[1]?.byteLength ?? 0));
    expect([gauges.get("sallyport_streams connect"), gauges.get("sallyport_streams grpc")]).toEqual([2, 0]);
  });
});

test("an outbox returns its frames in order and counts messages and bytes", () => {
  const outbox = new Outbox();
  for (let n = 0; n < 1000; n++) {
    outbox.push(new Uint8Array(n % 7), n);
    if (n >= 3) expect(outbox.shift()?.frame.byteLength).toBe((n - 3) % 7);
  }
  expect(outbox.messages).toBe(3);
  expect(outbox.bytes).toBe((997 % 7) + (998 % 7) + (999 % 7));
  expect([outbox.shift(), outbox.shift(), outbox.shift()].map((queued) => queued?.receivedAtMs)).toEqual([997, 998, 999]);
  expect(outbox.shift()).toBeUndefined();
  expect([outbox.messages, outbox.bytes]).toEqual([0, 0]);
});
