import { afterEach, describe, expect, test } from "bun:test";
import type { ClientEvent } from "../../src/core/events.ts";
import type { PushSource } from "../../src/core/push-source.ts";
import type { Revocation } from "../../src/core/sessions.ts";
import { until } from "../support/until.ts";
import type { RecordingSink } from "../unit/backend/support/recorders.ts";

/** A push source, and the backend that publishes to it. `Log`: what the source reads again after a restart. */
export interface PushSourceRig {
  /** Starts a source on the log of this rig. Earlier sources must be stopped. */
  open(sink: RecordingSink, onStateChange: (isUp: boolean) => void): PushSource;
  publish(event: ClientEvent): Promise<void>;
  revoke(revocation: Revocation): Promise<void>;
  /** Publishes an event for this user that breaks a rule; `undefined` if the backend learns of it at once. */
  readonly publishInvalid: ((userId: string) => Promise<void>) | undefined;
  /** Cuts the connection between source and backend, until `restore`; `undefined` if there is no such connection. */
  readonly cut: (() => Promise<void>) | undefined;
  restore(): Promise<void>;
  /** Removes everything from the log, while the connection is cut. */
  loseLog(): Promise<void>;
  close(): Promise<void>;
}

export const eventOf = (change: Partial<ClientEvent> = {}): ClientEvent => ({
  ...{ userId: "u", deviceSessionId: "", eventType: "a.b", eventId: "", payloadBytes: new Uint8Array() },
  ...change,
});

/** What every push source promises; see `PushSource`. `createSink`: a sink that records what it gets. */
export function pushSourceContract(name: string, openRig: () => Promise<PushSourceRig>, createSink: () => RecordingSink): void {
  let opened = new AsyncDisposableStack();
  afterEach(() => opened.disposeAsync());

  async function fixture() {
    opened = new AsyncDisposableStack();
    const rig = await openRig();
    opened.defer(() => rig.close());
    const start = async () => {
      const sink = createSink();
      const states: boolean[] = [];
      const source = rig.open(sink, (isUp) => void states.push(isUp));
      opened.defer(() => source.stop());
      source.start();
      source.start();
      await until(() => states.at(-1) === true, "the source to be up");
      return { source, sink, states };
    };
    const publish = async (...ids: string[]) => {
      for (const eventId of ids) await rig.publish(eventOf({ eventId }));
    };
    return { rig, start, publish };
  }

  const ids = (...numbers: number[]) => numbers.map((n) => `event ${n}`);
  const has = (sink: RecordingSink, entry: string) => until(() => sink.entries.includes(entry), entry);
  const isUp = (states: readonly boolean[]) => until(() => states.at(-1) === true, "the source to be up again");

  describe(`${name}: a push source`, () => {
    test("delivers events and revocations once and in order, each with a cursor of its own", async () => {
      const { rig, start, publish } = await fixture();
      const { sink, source } = await start();
      expect(source.hasBeenUp()).toBe(true);
      await publish("1", "2");
      await rig.revoke({ deviceSessionId: "s", userId: "" });
      await rig.revoke({ deviceSessionId: "", userId: "u" });
      await publish("3");
      await has(sink, "event 3");
      expect(sink.entries.filter((entry) => entry !== "gap")).toEqual([...ids(1, 2), "revoke /s", "revoke u/", ...ids(3)]);
      const cursors = sink.cursors.filter((entry) => entry.startsWith("event"));
      expect(new Set(cursors).size).toBe(3);
    });

    test("passes the payload, the type and the audience unchanged", async () => {
      const { rig, start } = await fixture();
      const { sink } = await start();
      const got: ClientEvent[] = [];
      sink.event = (event) => void got.push(event);
      const event = eventOf({
        userId: "u x".replace(" ", "."),
        deviceSessionId: "s-1",
        payloadBytes: new Uint8Array([0, 255, 10, 34]),
      });
      await rig.publish(event);
      await until(() => got.length > 0, "the event");
      expect(got.map((each) => ({ ...each, payloadBytes: [...each.payloadBytes] }))).toEqual([
        { ...event, payloadBytes: [0, 255, 10, 34] } as never,
      ]);
    });

    test("a sink that throws: the source reports a gap and continues", async () => {
      const { start, publish } = await fixture();
      const { sink } = await start();
      await publish("1");
      await has(sink, "event 1");
      const before = sink.entries.length;
      sink.failOn = "event 2";
      await publish("2", "3");
      await has(sink, "event 3");
      expect(sink.entries.slice(before)).toEqual(["gap", "event 3"]);
    });

    test("a stopped source delivers nothing, and is down", async () => {
      const { start, publish } = await fixture();
      const { sink, source, states } = await start();
      await publish("1");
      await has(sink, "event 1");
      await source.stop();
      await publish("2").catch(() => {});
      const next = await start();
      await publish("3");
      await has(next.sink, "event 3");
      expect([sink.entries.filter((entry) => entry !== "gap"), states.at(-1)]).toEqual([ids(1), false]);
    });

    test("a message has the same cursor after a restart", async () => {
      const { start, publish } = await fixture();
      const first = await start();
      await publish("1", "2", "3");
      await has(first.sink, "event 3");
      await first.source.stop();
      const second = await start();
      await publish("4");
      await has(second.sink, "event 4");
      const cursors = (sink: RecordingSink) => sink.cursors.filter((entry) => entry.startsWith("event"));
      const [before, after] = [cursors(first.sink), cursors(second.sink)];
      // A source that starts with new events delivers only the last one.
      const replayed = after.slice(0, -1);
      expect(replayed).toEqual(before.slice(before.length - replayed.length));
      expect(before).not.toContain(after.at(-1) ?? "");
    });

    test("an invalid message: its audience gets a resync, and the next message is delivered", async () => {
      const { rig, start, publish } = await fixture();
      if (rig.publishInvalid === undefined) return;
      const { sink } = await start();
      await publish("1");
      await rig.publishInvalid("u-7");
      await publish("2");
      await has(sink, "event 2");
      expect(sink.entries.filter((entry) => entry !== "gap")).toEqual(["event 1", "lost u-7/", "event 2"]);
    });

    test("a cut: what was published in the meantime is delivered, and nothing twice", async () => {
      const { rig, start, publish } = await fixture();
      if (rig.cut === undefined) return;
      const { sink, states } = await start();
      await publish("1");
      await has(sink, "event 1");
      const before = sink.entries.length;
      await rig.cut();
      await until(() => states.at(-1) === false, "the source to be down");
      await rig.restore();
      await publish("2");
      await isUp(states);
      await has(sink, "event 2");
      expect(sink.entries.slice(before)).toEqual(["event 2"]);
    });

    test("a log that was lost during a cut: a gap comes before the next message", async () => {
      const { rig, start, publish } = await fixture();
      if (rig.cut === undefined) return;
      const { sink, states } = await start();
      await publish("1", "2");
      await has(sink, "event 2");
      const before = sink.entries.length;
      await rig.cut();
      await until(() => states.at(-1) === false, "the source to be down");
      await rig.loseLog();
      await rig.restore();
      await isUp(states);
      await publish("3");
      await has(sink, "event 3");
      expect(sink.entries.slice(before)).toEqual(["gap", "event 3"]);
    });

    test("a source that is down can be stopped at once", async () => {
      const { rig, start } = await fixture();
      if (rig.cut === undefined) return;
      const { source, states } = await start();
      await rig.cut();
      await until(() => states.at(-1) === false, "the source to be down");
      const startedMs = performance.now();
      await source.stop();
      expect(performance.now() - startedMs).toBeLessThan(1000);
      await rig.restore();
    });
  });
}
