import { describe, expect, spyOn, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { browserConnectivity } from "../../../src/client/connectivity.ts";
import { GatewayError } from "../../../src/client/errors.ts";
import { EventQueue } from "../../../src/client/event-queue.ts";
import { ReconnectingStream } from "../../../src/client/reconnecting-stream.ts";
import { SharedStreams } from "../../../src/client/shared-streams.ts";
import type { StreamPosition, StreamTransport, SubscriptionEvent } from "../../../src/client/subscription-event.ts";
import { TransportChoice } from "../../../src/client/transport-choice.ts";
import { type Behaviour, CutError, FakeBackend, openerOf, sequenceOf } from "./event-source.ts";
import { refusal } from "./fake-gateway.ts";
import { ManualTiming, settle } from "./manual-timing.ts";

/** Listeners of one client over a scripted gateway. */
class Fixture {
  readonly timing = new ManualTiming();
  readonly backend = new FakeBackend(this.timing);
  readonly opened: (string | undefined)[];
  open = 0;
  readonly #streams: SharedStreams;

  constructor(behaviours: readonly Behaviour[] = [{}], transport: StreamTransport = "fetch") {
    const { opener, opened } = openerOf(this.backend, behaviours, transport);
    this.opened = opened;
    const counted = {
      ...opener,
      open: (options: Parameters<typeof opener.open>[0]) => {
        this.open++;
        options.signal.addEventListener("abort", () => this.open--);
        return opener.open(options);
      },
    };
    const choice = new TransportChoice([counted]);
    const parts = { choice, timing: this.timing, connectivity: browserConnectivity };
    this.#streams = new SharedStreams((progress, receiver) => new ReconnectingStream(progress, parts, receiver));
  }

  listen(position?: StreamPosition, gatewayEvents = false): EventQueue {
    const queue: EventQueue = new EventQueue({ position, gatewayEvents, onClose: () => this.#streams.detach(queue) });
    this.#streams.attach(queue, position);
    return queue;
  }
}

const unread = new WeakMap<EventQueue, ReturnType<EventQueue["next"]>>();

/** Reads until the queue has no more events at once. */
async function readAll(queue: EventQueue): Promise<SubscriptionEvent[]> {
  const events: SubscriptionEvent[] = [];
  for (;;) {
    const next = unread.get(queue) ?? queue.next();
    const read = await Promise.race([next, settle()]);
    if (read === undefined) unread.set(queue, next);
    if (read === undefined || read.done) return events;
    unread.delete(queue);
    events.push(read.value);
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

describe("listeners of one client", () => {
  test("share one stream, and each gets every event once", async () => {
    const fixture = new Fixture([{ cutAfter: 3 }, { cutAfter: 2, duplicates: true }, {}]);
    const listeners = [fixture.listen(), fixture.listen(), fixture.listen()];
    await settle();
    expect(fixture.open).toBe(1);
    fixture.backend.publish(9);
    await fixture.timing.advance(10_000);
    for (const queue of listeners) expect(sequenceOf(await readAll(queue))).toEqual(upTo(9));
    expect(fixture.opened.length).toBe(3);
    for (const queue of listeners) queue.close();
    expect([fixture.open, fixture.timing.pending]).toEqual([0, 0]);
  });

  test("one that starts later gets the next events; one that closes does not end the stream of the others", async () => {
    const fixture = new Fixture();
    const first = fixture.listen();
    await settle();
    fixture.backend.publish(2);
    await settle();
    const second = fixture.listen();
    expect(second.lastEventId).toBe("ev-2");
    first.close();
    fixture.backend.publish(1);
    await settle();
    expect(sequenceOf(await readAll(second))).toEqual([3]);
    expect(fixture.opened.length).toBe(1);
    second.close();
  });

  test("one that starts at an earlier event catches up by a stream of its own, and then shares again", async () => {
    const fixture = new Fixture();
    const first = fixture.listen();
    await settle();
    fixture.backend.publish(5);
    await settle();
    const second = fixture.listen({ eventId: "ev-2" });
    await settle();
    expect(sequenceOf(await readAll(second))).toEqual([3, 4, 5]);
    expect(fixture.open).toBe(1);
    fixture.backend.publish(2);
    await settle();
    expect(sequenceOf(await readAll(first))).toEqual(upTo(7));
    expect(sequenceOf(await readAll(second))).toEqual([6, 7]);
    first.close();
    second.close();
    expect(fixture.open).toBe(0);
  });

  test("one that starts with the next event gets none that another one missed", async () => {
    const fixture = new Fixture();
    fixture.backend.publish(5);
    await fixture.timing.advance(1000);
    const first = fixture.listen({ eventId: "ev-0" });
    const second = fixture.listen();
    await settle();
    expect(fixture.open).toBe(2);
    await fixture.timing.advance(10);
    fixture.backend.publish(1);
    await settle();
    expect(sequenceOf(await readAll(first))).toEqual(upTo(6));
    expect(sequenceOf(await readAll(second))).toEqual([6]);
    expect(fixture.open).toBe(1);
    first.close();
    second.close();
  });

  test("one that starts while the stream of the others is cut gets none that the others miss meanwhile", async () => {
    const fixture = new Fixture([{ cutAfter: 1 }, {}]);
    const first = fixture.listen();
    await settle();
    fixture.backend.publish(1);
    await settle();
    expect(first.state).toBe("waiting");
    fixture.backend.publish(3);
    const others = [fixture.listen(), fixture.listen()];
    await fixture.timing.advance(1000);
    expect(fixture.open).toBe(2);
    fixture.backend.publish(1);
    await settle();
    expect(sequenceOf(await readAll(first))).toEqual(upTo(5));
    for (const queue of others) expect(sequenceOf(await readAll(queue))).toEqual([5]);
    expect(fixture.open).toBe(1);
    for (const queue of [first, ...others]) queue.close();
  });

  test("one that starts later shares a stream that began with a resync", async () => {
    const fixture = new Fixture([{ historyFrom: 99 }]);
    const first = fixture.listen({ eventId: "ev-0" });
    await settle();
    expect(sequenceOf(await readAll(first))).toEqual(["resync"]);
    const second = fixture.listen();
    await settle();
    expect(fixture.opened.length).toBe(1);
    fixture.backend.publish(1);
    await settle();
    for (const queue of [first, second]) expect(sequenceOf(await readAll(queue))).toEqual([1]);
    for (const queue of [first, second]) queue.close();
  });

  test("one that starts later shares polls that have caught up", async () => {
    const fixture = new Fixture([{ isPoll: true }], "poll");
    fixture.backend.publish(2);
    await fixture.timing.advance(1000);
    const first = fixture.listen({ eventId: "ev-0" });
    await settle();
    await fixture.timing.advance(1000);
    fixture.backend.publish(1);
    await settle();
    expect(sequenceOf(await readAll(first))).toEqual([1, 2, 3]);
    const second = fixture.listen();
    await settle();
    expect(fixture.opened.length).toBe(1);
    fixture.backend.publish(1);
    await settle();
    for (const queue of [first, second]) expect(sequenceOf(await readAll(queue))).toEqual([4]);
    for (const queue of [first, second]) queue.close();
  });

  test("all get the resync", async () => {
    const fixture = new Fixture([{ cutAfter: 1 }, { historyFrom: 99 }]);
    const listeners = [fixture.listen(), fixture.listen()];
    await settle();
    fixture.backend.publish(3);
    await fixture.timing.advance(3000);
    fixture.backend.publish(1);
    await settle();
    for (const queue of listeners) expect(sequenceOf(await readAll(queue))).toEqual([1, "resync", 4]);
    for (const queue of listeners) queue.close();
  });
});

describe("a slow consumer", () => {
  test("has a bounded queue: its stream ends, and resumes when it has caught up", async () => {
    const fixture = new Fixture();
    const queue = fixture.listen();
    await settle();
    fixture.backend.publish(5000);
    await settle();
    expect([fixture.open, queue.state]).toEqual([0, "waiting"]);
    expect(fixture.opened.length).toBe(1);
    expect(sequenceOf(await readAll(queue))).toEqual(upTo(5000));
    expect(queue.lastEventId).toBe("ev-5000");
    expect(fixture.opened.length).toBeGreaterThan(1);
    queue.close();
  });

  test("with large events has a queue that is bounded in bytes", async () => {
    const fixture = new Fixture();
    const queue = fixture.listen();
    await settle();
    for (let n = 0; n < 40; n++) fixture.backend.publish(1, "x".repeat(200_000));
    await settle();
    expect(fixture.open).toBe(0);
    expect(sequenceOf(await readAll(queue))).toEqual(upTo(40));
    queue.close();
  });

  test("does not hold up or lose events for the other listeners", async () => {
    const fixture = new Fixture();
    const [slow, fast] = [fixture.listen(), fixture.listen()];
    const seen: SubscriptionEvent[] = [];
    const reading = (async () => {
      for await (const event of fast) seen.push(event);
    })();
    await settle();
    for (let n = 0; n < 40; n++) {
      fixture.backend.publish(100);
      await settle();
    }
    expect(sequenceOf(seen)).toEqual(upTo(4000));
    expect(fixture.open).toBe(1);
    expect(sequenceOf(await readAll(slow))).toEqual(upTo(4000));
    fixture.backend.publish(1);
    await settle();
    expect(sequenceOf(await readAll(slow))).toEqual([4001]);
    expect(fixture.open).toBe(1);
    slow.close();
    fast.close();
    await reading;
  });

  test("that gets only heartbeats keeps one of them", async () => {
    const fixture = new Fixture();
    const queue = fixture.listen();
    await settle();
    fixture.backend.publish(1);
    await settle();
    for (let beat = 0; beat < 3000; beat++) await fixture.timing.advance(25_000);
    expect(queue.state).toBe("live");
    expect(sequenceOf(await readAll(queue))).toEqual([1]);
    expect(queue.lastEventId).toStartWith("at-1-");
    queue.close();
  });
});

describe("the position", () => {
  test("an event counts as processed when the app asks for the next one", async () => {
    const fixture = new Fixture();
    const queue = fixture.listen();
    await settle();
    fixture.backend.publish(2);
    await settle();
    expect((await queue.next()).value?.eventId).toBe("ev-1");
    expect(queue.lastEventId).toStartWith("at-0-");
    expect((await queue.next()).value?.eventId).toBe("ev-2");
    expect(queue.position).toMatchObject({ eventId: "ev-1" });
    // Leaving the loop is not asking for the next event.
    await queue.return();
    expect(queue.lastEventId).toBe("ev-1");
    const again = fixture.listen(queue.position);
    await settle();
    expect(sequenceOf(await readAll(again))).toEqual([2]);
    again.close();
  });

  test("moves with heartbeats that the app does not see", async () => {
    const fixture = new Fixture();
    const queue = fixture.listen();
    const next = queue.next();
    await fixture.timing.advance(26_000);
    expect(queue.lastEventId).toStartWith("at-0-");
    queue.close();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test("gateway events are delivered if the app asks for them", async () => {
    const fixture = new Fixture();
    const queue = fixture.listen(undefined, true);
    await fixture.timing.advance(26_000);
    const events = await readAll(queue);
    expect(events.map(({ kind, eventType }) => [kind, eventType])).toEqual([
      ["gateway", "gateway.server_time"],
      ["gateway", "gateway.heartbeat"],
    ]);
    queue.close();
  });
});

describe("the end", () => {
  test("for good: each queue gets its events, then the error once", async () => {
    const revoked = { error: new GatewayError(refusal("SESSION_REVOKED", Code.FailedPrecondition)) };
    const fixture = new Fixture([{ cutAfter: 2 }, revoked]);
    const [one, other] = [fixture.listen(), fixture.listen()];
    await settle();
    fixture.backend.publish(2);
    await fixture.timing.advance(30_000);
    for (const queue of [one, other]) {
      expect((await queue.next()).value?.eventId).toBe("ev-1");
      expect((await queue.next()).value?.eventId).toBe("ev-2");
      expect(await queue.next().catch((error: unknown) => error)).toBe(revoked.error);
      expect(await queue.next()).toEqual({ done: true, value: undefined });
    }
    expect([fixture.open, fixture.timing.pending]).toEqual([0, 0]);
  });

  test("an error in a state handler does not disturb the stream", async () => {
    const fixture = new Fixture([{ error: new CutError("cut") }, {}]);
    const queue = fixture.listen();
    const states: string[] = [];
    const reported = spyOn(globalThis, "reportError").mockImplementation(() => {});
    queue.onState(() => {
      throw new Error("a bug of the app");
    });
    const end = queue.onState((state) => states.push(state));
    await fixture.timing.advance(5000);
    fixture.backend.publish(1);
    await settle();
    expect(sequenceOf(await readAll(queue))).toEqual([1]);
    expect(states).toEqual(["waiting", "connecting", "live"]);
    end();
    queue.close();
    await settle();
    expect(states.length).toBe(3);
    expect(reported).toHaveBeenCalledTimes(4);
    reported.mockRestore();
  });
});
