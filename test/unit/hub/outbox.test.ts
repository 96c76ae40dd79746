import { describe, expect, test } from "bun:test";
import { Outbox, WRITE_AHEAD_BYTES } from "../../../src/hub/outbox.ts";
import { FakeSink } from "./support/fake-sink.ts";
import { event, setUp } from "./support/setting.ts";

const BIG = new Uint8Array(WRITE_AHEAD_BYTES);
const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => `e-${from + n}`);

/** A hub with one client that reads nothing, and one that reads everything. */
function slowAndQuick(outbox: { bytesMax: number; messagesMax: number }) {
  const setting = setUp({ outbox });
  const [slow, quick] = [new FakeSink(), setting.join("s-quick", "u-1")];
  setting.join("s-slow", "u-1", slow);
  slow.stuck = true;
  let published = 0;
  const publish = (events: number, payloadBytes = BIG) => {
    for (let n = 0; n < events; n++) setting.hub.publish(event({ userId: "u-1", eventId: `e-${++published}`, payloadBytes }));
  };
  return { ...setting, slow, quick, publish };
}

describe("a client that does not read", () => {
  test("costs the runtime no more than what is written ahead: the rest waits, shared, until it reads again, in order", async () => {
    const { slow, quick, publish } = slowAndQuick({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(20);
    expect(slow.delivered).toEqual(["e-1"]);
    expect(quick.delivered).toEqual(ids(1, 20));
    slow.read();
    await Bun.sleep(0);
    publish(1);
    expect(slow.delivered).toEqual(ids(1, 21));
    expect(slow.frames.slice(1).every((frame, at) => frame === quick.frames[at + 1])).toBe(true);
    expect(slow.ends).toEqual([]);
  });

  test("is ended with SLOW_CONSUMER by bytes, those in the runtime included, and costs the others nothing", () => {
    const { slow, quick, publish, counted, streams } = slowAndQuick({ bytesMax: 4 * WRITE_AHEAD_BYTES, messagesMax: 1000 });
    publish(3);
    expect(slow.ends).toEqual([]);
    // Each is a little larger than what is written ahead: four of them are over the bound.
    publish(1);
    expect(slow.ends).toEqual(["SLOW_CONSUMER"]);
    publish(3);
    expect(quick.delivered).toEqual(ids(1, 7));
    expect(streams()).toBe(1);
    // The first was written, two waited, and the last found no room.
    expect(counted.get("sallyport_events_dropped_total slow_consumer")).toBe(3);
    expect(counted.get("sallyport_event_deliveries_total")).toBe(1 + 7);
  });

  test("is told of by when it had what waited, each event by itself", async () => {
    const { slow, publish, counted, observed, pass } = slowAndQuick({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(3);
    expect(counted.get("sallyport_event_deliveries_total")).toBe(1 + 3);
    pass(2000);
    slow.read();
    await Bun.sleep(0);
    expect(counted.get("sallyport_event_deliveries_total")).toBe(3 + 3);
    expect(observed.get("sallyport_event_delivery_seconds")).toEqual([0, 0, 0, 2, 2]);
  });

  test("is ended with SLOW_CONSUMER by messages, however small they are", () => {
    const { slow, publish } = slowAndQuick({ bytesMax: 10_000_000, messagesMax: 10 });
    publish(1);
    publish(10, new Uint8Array(0));
    expect(slow.ends).toEqual([]);
    publish(1, new Uint8Array(0));
    expect(slow.ends).toEqual(["SLOW_CONSUMER"]);
  });

  test("is not told to have had what it was gone for: neither what was written into the void, nor what waited", async () => {
    const { slow, publish, counted } = slowAndQuick({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(5);
    slow.write = () => slow.leave();
    slow.read();
    await Bun.sleep(0);
    expect(counted.get("sallyport_event_deliveries_total")).toBe(1 + 5);
    expect(counted.get("sallyport_events_dropped_total stream_ended")).toBe(4);
    expect(counted.get("sallyport_streams_ended_total client")).toBe(1);
  });

  test("gets nothing more once its stream has ended, also when it reads at last", async () => {
    const { hub, slow, publish } = slowAndQuick({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(5);
    hub.revoke({ deviceSessionId: "s-slow" });
    slow.read();
    await Bun.sleep(0);
    expect(slow.delivered).toEqual(["e-1"]);
    expect(slow.ends).toEqual(["SESSION_REVOKED"]);
  });

  test("shows in the gauges of unread bytes", () => {
    const { hub, metrics, gauges, slow, publish } = slowAndQuick({ bytesMax: 10_000_000, messagesMax: 1000 });
    publish(3);
    hub.sample(metrics, ["connect", "grpc"]);
    expect(gauges.get("sallyport_outbox_bytes 0.5")).toBe(0);
    expect(gauges.get("sallyport_outbox_bytes 1")).toBe(3 * (slow.frames[1]?.byteLength ?? 0));
    expect([gauges.get("sallyport_streams connect"), gauges.get("sallyport_streams grpc")]).toEqual([2, 0]);
  });
});

test("an outbox gives its frames in order, counts them, and does not grow with what has passed through it", () => {
  const outbox = new Outbox();
  for (let n = 0; n < 1000; n++) {
    outbox.push(new Uint8Array(n % 7), n);
    if (n >= 3) expect(outbox.shift()?.frame.byteLength).toBe((n - 3) % 7);
  }
  expect(outbox.messages).toBe(3);
  expect(outbox.bytes).toBe((997 % 7) + (998 % 7) + (999 % 7));
  expect([outbox.shift(), outbox.shift(), outbox.shift()].map((waiting) => waiting?.receivedAtMs)).toEqual([997, 998, 999]);
  expect(outbox.shift()).toBeUndefined();
  expect([outbox.messages, outbox.bytes]).toEqual([0, 0]);
});
