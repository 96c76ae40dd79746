import { expect, test } from "bun:test";
import { PushDelivery } from "../../../../src/backend/feed/push-delivery.ts";
import { PushState } from "../../../../src/backend/feed/push-state.ts";
import type { EventLog, LoggedEvent } from "../../../../src/backend/publish/event-log.ts";
import { HttpSource } from "../../../../src/backend/publish/http-source.ts";
import type { ClientEvent } from "../../../../src/core/events.ts";
import { EVENT_ID_MEMORY_MS, EVENT_IDS_MIN } from "../../../../src/core/limits.ts";
import { EventIdReused, PublishUnavailable } from "../../../../src/core/publisher.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { RecordingLog, RecordingMetrics, RecordingSink } from "../support/recorders.ts";

/** A log whose writes the test completes or fails. */
class ManualLog implements EventLog {
  readonly written: LoggedEvent[][] = [];
  #pending: PromiseWithResolvers<void> | undefined;

  takeLoaded() {
    return { before: undefined, older: [], events: [] };
  }

  append(events: readonly LoggedEvent[]): Promise<void> {
    this.written.push([...events]);
    this.#pending = Promise.withResolvers();
    return this.#pending.promise;
  }

  complete(): void {
    this.#pending?.resolve();
  }

  fail(): void {
    this.#pending?.reject(new Error("ENOSPC: no space left on device"));
  }

  async close(): Promise<void> {}
}

function openSource(log?: EventLog, monotonic?: Pick<ManualClock, "monotonic">) {
  const [sink, telemetry] = [new RecordingSink(), { log: new RecordingLog(), metrics: new RecordingMetrics() }];
  const clock = new ManualClock();
  const delivery = new PushDelivery({ sink, ...telemetry });
  const state = new PushState({ from: {}, ...telemetry, onChange() {} });
  const source = new HttpSource({ delivery, state, runId: "run", log, beginFill() {}, clock: monotonic ?? clock });
  return { source, sink, clock };
}

const event = (eventId: string, payload = ""): ClientEvent => {
  return { userId: "u", deviceSessionId: "", eventType: "a.b", eventId, payloadBytes: new TextEncoder().encode(payload) };
};
const tick = () => new Promise((resolve) => setImmediate(resolve));

test("before the start and after the stop, nothing is published", async () => {
  const { source, sink } = openSource();
  expect(source.publish([event("1")])).rejects.toThrow(PublishUnavailable);
  expect(source.revoke([{ userId: "u" }])).rejects.toThrow(PublishUnavailable);
  source.start();
  await source.publish([event("2")]);
  await source.stop();
  expect(source.publish([event("3")])).rejects.toThrow(PublishUnavailable);
  expect(sink.entries).toEqual(["event 2"]);
});

test("an event is delivered only after it is in the log; calls during a write are written together, in order", async () => {
  const log = new ManualLog();
  const { source, sink } = openSource(log);
  source.start();
  const calls = ["1", "2", "3"].map((id) => source.publish([event(id)]));
  await tick();
  expect([log.written.map((events) => events.length), sink.entries]).toEqual([[1], []]);
  log.complete();
  await calls[0];
  expect([log.written.map((events) => events.length), sink.entries]).toEqual([[1, 2], ["event 1"]]);
  log.complete();
  await Promise.all(calls);
  expect(sink.entries).toEqual(["event 1", "event 2", "event 3"]);
});

test("an event that cannot be logged is not delivered, and a repeat of it is no duplicate", async () => {
  const log = new ManualLog();
  const { source, sink } = openSource(log);
  source.start();
  const failed = source.publish([event("1")]);
  const sameId = source.publish([event("1")]);
  log.fail();
  expect(failed).rejects.toThrow(PublishUnavailable);
  await tick();
  log.complete();
  expect(await sameId).toEqual([{ isDuplicate: false }]);
  expect(sink.entries).toEqual(["event 1"]);
});

const firstIsDuplicate = async (source: HttpSource, id: string) => (await source.publish([event(id)]))[0]?.isDuplicate;

test("a failed write that fills the map of ids leaves no id behind, and evicts none", async () => {
  const log = new ManualLog();
  const { source } = openSource(log);
  source.start();
  const publish = async (ids: readonly string[]) => {
    const results = source.publish(ids.map((id) => event(id)));
    log.complete();
    return results;
  };
  const known = Array.from({ length: EVENT_IDS_MIN - 1 }, (_, n) => `known-${n}`);
  await publish(known);
  const failed = source.publish([event("X"), ...known.map((id) => event(`failed-${id}`)), event("Y"), event("Z")]);
  log.fail();
  expect(failed).rejects.toThrow(PublishUnavailable);
  await failed.catch(() => {});
  await tick();
  expect(await publish(["X", "Y"])).toEqual([{ isDuplicate: false }, { isDuplicate: false }]);
  expect((await publish(known.slice(0, 10))).every(({ isDuplicate }) => isDuplicate)).toBe(true);
});

test.each(["a failed write", "a call with a reused id"])(
  "an id that is too old is forgotten in the middle of a call; %s leaves no id behind",
  async (cause) => {
    const log = new ManualLog();
    // The clock advances at the second look-up, so the maps of ids change between the two events of the call.
    const manual = new ManualClock();
    let lookUps = -1;
    const clock = { monotonic: () => (lookUps >= 0 && ++lookUps === 2 ? later() : manual.monotonic()) };
    const later = () => {
      manual.advance(EVENT_ID_MEMORY_MS);
      return manual.monotonic();
    };
    const { source } = openSource(log, clock);
    source.start();
    const first = source.publish([event("1")]);
    log.complete();
    await first;
    lookUps = 0;
    const second = cause === "a failed write" ? event("Y") : event("1", "other");
    const refused = source.publish([event("X"), second]);
    log.fail();
    expect(await refused.catch(() => "refused")).toBe("refused");
    lookUps = -1;
    await tick();
    const repeated = firstIsDuplicate(source, "X");
    log.complete();
    expect(await repeated).toBe(false);
  },
);

test("an id counts as reused only if the event that has it is stored", async () => {
  const log = new ManualLog();
  const { source, sink } = openSource(log);
  source.start();
  const first = source.publish([event("first")]);
  const publish = (...events: ClientEvent[]) => source.publish(events).catch((error) => error);
  const failed = [publish(event("1")), publish(event("2"), event("1", "other"))];
  log.complete();
  await first;
  log.fail();
  for (const each of failed) expect(await each).toBeInstanceOf(PublishUnavailable);
  await tick();
  const stored = [publish(event("1", "other")), publish(event("1"))];
  log.complete();
  await tick();
  log.complete();
  expect(await stored[0]).toEqual([{ isDuplicate: false }]);
  expect(await stored[1]).toBeInstanceOf(EventIdReused);
  expect(sink.entries).toEqual(["event first", "event 1"]);
});

test("a revocation does not wait for the log", async () => {
  const { source, sink } = openSource(new ManualLog());
  source.start();
  void source.publish([event("1")]);
  await source.revoke([{ userId: "u" }]);
  expect(sink.entries).toEqual(["revoke u/undefined"]);
});

test("too many waiting events are refused, and accepted again later", async () => {
  const log = new ManualLog();
  const { source } = openSource(log);
  source.start();
  const large = "x".repeat(1024 * 1024);
  const calls = Array.from({ length: 63 }, (_, n) => source.publish([event(`large-${n}`, large)]));
  expect(source.publish([event("one more", large)])).rejects.toThrow("too many events wait");
  log.complete();
  await calls[0];
  log.complete();
  await Promise.all(calls);
  const later = source.publish([event("one more", large)]);
  log.complete();
  expect(await later).toEqual([{ isDuplicate: false }]);
});

test("an id is remembered for at least ten minutes, and forgotten after twice that time", async () => {
  const { source, clock } = openSource();
  source.start();
  const publish = async (id: string) => (await source.publish([event(id)]))[0]?.isDuplicate;
  expect(await publish("1")).toBe(false);
  clock.advance(EVENT_ID_MEMORY_MS - 1);
  expect(await publish("1")).toBe(true);
  clock.advance(EVENT_ID_MEMORY_MS);
  await publish("2");
  clock.advance(EVENT_ID_MEMORY_MS);
  expect(await publish("1")).toBe(false);
});

test("a call with a reused id publishes none of its events", async () => {
  const { source, sink } = openSource();
  source.start();
  await source.publish([event("1")]);
  const reused = source.publish([event("2"), event("1", "other")]);
  expect(reused).rejects.toThrow(EventIdReused);
  await reused.catch(() => {});
  expect(await source.publish([event("2")])).toEqual([{ isDuplicate: false }]);
  expect(sink.entries).toEqual(["event 1", "event 2"]);
});
