import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import type { Connectivity, ConnectivityChange } from "../../../src/client/connectivity.ts";
import { GatewayError } from "../../../src/client/errors.ts";
import { EventProgress } from "../../../src/client/event-progress.ts";
import { ReconnectingStream } from "../../../src/client/reconnecting-stream.ts";
import type { StateDetail, SubscriptionEvent, SubscriptionState } from "../../../src/client/subscription-event.ts";
import { type StreamOpener, TransportChoice } from "../../../src/client/transport-choice.ts";
import { RetryInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { outOfSequence } from "../../support/received-sequence.ts";
import { type Behaviour, CutError, FakeBackend, HEARTBEAT_MS, openerOf, sequenceOf, verified } from "./event-source.ts";
import { refusal } from "./fake-gateway.ts";
import { ManualTiming, settle } from "./manual-timing.ts";

/** Connectivity that the test changes. */
class ManualConnectivity implements Connectivity {
  isOfflineNow = false;
  readonly #handlers = new Set<(change: ConnectivityChange) => void>();

  isOffline(): boolean {
    return this.isOfflineNow;
  }

  watch(onChange: (change: ConnectivityChange) => void): () => void {
    this.#handlers.add(onChange);
    return () => this.#handlers.delete(onChange);
  }

  get watchers(): number {
    return this.#handlers.size;
  }

  change(change: ConnectivityChange): void {
    if (change !== "visible") this.isOfflineNow = change === "offline";
    for (const handler of this.#handlers) handler(change);
  }
}

class Fixture {
  readonly timing: ManualTiming;
  readonly backend: FakeBackend;
  readonly connectivity = new ManualConnectivity();
  readonly progress: EventProgress;
  readonly events: SubscriptionEvent[] = [];
  readonly states: { state: SubscriptionState; detail: StateDetail; atMs: number }[] = [];
  stream: ReconnectingStream | undefined;

  constructor(random: () => number = () => 0.5, progress = new EventProgress()) {
    this.timing = new ManualTiming(random);
    this.backend = new FakeBackend(this.timing);
    this.progress = progress;
  }

  start(...openers: StreamOpener[]): ReconnectingStream {
    const { timing, connectivity } = this;
    const receiver = {
      event: (event: SubscriptionEvent) => void this.events.push(event),
      state: (state: SubscriptionState, detail: StateDetail) =>
        void this.states.push({ state, detail, atMs: timing.monotonic() }),
    };
    const choice = new TransportChoice(openers);
    this.stream = new ReconnectingStream(this.progress, { choice, timing, connectivity }, receiver);
    this.stream.start();
    return this.stream;
  }

  get received(): (number | "resync")[] {
    return sequenceOf(this.events);
  }

  get state(): SubscriptionState | undefined {
    return this.states.at(-1)?.state;
  }

  /** The delays before each attempt but the first, in ms. */
  get delays(): number[] {
    return this.states.flatMap(({ state, atMs }, n) => {
      const before = this.states[n - 1];
      return state === "connecting" && before?.state === "waiting" ? [Math.round(atMs - before.atMs)] : [];
    });
  }
}

const refused = (reason: Parameters<typeof refusal>[0], code: Code, retryMs?: number) => {
  const error = refusal(reason, code);
  if (retryMs !== undefined) {
    const value = { retryDelay: { seconds: BigInt(Math.floor(retryMs / 1000)), nanos: (retryMs % 1000) * 1_000_000 } };
    error.details.push({ desc: RetryInfoSchema, value });
  }
  return new GatewayError(error);
};

describe("a stream that is cut", () => {
  test("resumes after the last event, and delivers each event once", async () => {
    const fixture = new Fixture();
    const { opener, opened } = openerOf(fixture.backend, [{ cutAfter: 2 }, { cutAfter: 1, duplicates: true }, {}]);
    fixture.start(opener);
    await settle();
    fixture.backend.publish(5);
    await fixture.timing.advance(5000);
    expect(fixture.received).toEqual([1, 2, 3, 4, 5]);
    expect(opened).toEqual([undefined, "ev-2", "ev-3"]);
    fixture.stream?.close();
  });

  test("waits longer after each failure, and less again only after a stream that worked", async () => {
    const fixture = new Fixture(() => 0.999_999);
    const down = { error: new GatewayError(new ConnectError("down", Code.Unavailable)) };
    const { opener } = openerOf(fixture.backend, [...Array<Behaviour>(7).fill(down), { cutAfter: 0 }, { cutAfter: 1 }, {}]);
    fixture.start(opener);
    await fixture.timing.advance(200_000);
    expect(fixture.delays.slice(0, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    fixture.backend.publish(1);
    await fixture.timing.advance(60_000);
    // The stream with only a first event did not count; the one with an event did.
    expect(fixture.delays.slice(8)).toEqual([1000]);
    fixture.stream?.close();
  });

  test("never comes back in less than 50 ms", async () => {
    const fixture = new Fixture(() => 0);
    const { opener, opened } = openerOf(fixture.backend, [{ cutAfter: 0 }]);
    fixture.start(opener);
    await fixture.timing.advance(1000);
    expect(opened.length).toBeLessThanOrEqual(21);
    expect(opened.length).toBeGreaterThan(15);
    fixture.stream?.close();
  });

  test.each([
    [3000, 3500],
    [0, 500],
    [Number.MAX_SAFE_INTEGER, 60_500],
  ])("waits for the RetryInfo of %d ms, at most for a minute", async (askedMs, expectedMs) => {
    const fixture = new Fixture();
    const { opener } = openerOf(fixture.backend, [{ error: refused("RATE_LIMITED", Code.ResourceExhausted, askedMs) }, {}]);
    fixture.start(opener);
    await fixture.timing.advance(120_000);
    expect(fixture.delays).toEqual([expectedMs]);
    expect(fixture.state).toBe("live");
    fixture.stream?.close();
  });

  test("keeps the wait that the gateway asked for when the page becomes visible, and ends its own", async () => {
    const fixture = new Fixture();
    const asked = { error: refused("SHUTTING_DOWN", Code.Unavailable, 5000) };
    const { opener, opened } = openerOf(fixture.backend, [asked, { error: new CutError("cut") }, {}]);
    fixture.start(opener);
    await settle();
    fixture.connectivity.change("visible");
    await settle();
    expect(opened.length).toBe(1);
    await fixture.timing.advance(5600);
    expect(opened.length).toBe(2);
    fixture.connectivity.change("visible");
    await settle();
    expect(opened.length).toBe(3);
    fixture.stream?.close();
  });
});

describe("a resync", () => {
  test("is delivered once if the gateway does not know the position", async () => {
    const fixture = new Fixture();
    const { opener } = openerOf(fixture.backend, [{ cutAfter: 1 }, { historyFrom: 10 }]);
    fixture.start(opener);
    await settle();
    fixture.backend.publish(3);
    await fixture.timing.advance(5000);
    fixture.backend.publish(1);
    await settle();
    expect(fixture.received).toEqual([1, "resync", 4]);
    fixture.stream?.close();
  });

  test("is delivered although a proxy withholds the event gateway.resync", async () => {
    const fixture = new Fixture();
    const { opener } = openerOf(fixture.backend, [{ cutAfter: 1 }, { historyFrom: 10, hidesResync: true }]);
    fixture.start(opener);
    await settle();
    fixture.backend.publish(3);
    await fixture.timing.advance(5000);
    fixture.backend.publish(1);
    await settle();
    expect(fixture.received).toEqual([1, "resync", 4]);
    fixture.stream?.close();
  });

  test("is due again if the stream is cut before it", async () => {
    const fixture = new Fixture();
    const cut = { historyFrom: 10, hidesResync: true, cutAfter: 0 };
    const { opener, opened } = openerOf(fixture.backend, [{ cutAfter: 1 }, cut, cut, { historyFrom: 10 }]);
    fixture.start(opener);
    await settle();
    fixture.backend.publish(3);
    await fixture.timing.advance(20_000);
    expect(opened).toEqual([undefined, "ev-1", "ev-1", "ev-1"]);
    expect(fixture.received).toEqual([1, "resync"]);
    fixture.stream?.close();
  });
});

describe("silence", () => {
  test("for two heartbeat intervals ends the stream; heartbeats keep it", async () => {
    const fixture = new Fixture();
    const { opener, opened } = openerOf(fixture.backend, [{ muteAfter: 0 }, {}]);
    fixture.start(opener);
    await fixture.timing.advance(2 * HEARTBEAT_MS);
    expect(opened.length).toBe(1);
    await fixture.timing.advance(2000);
    expect(opened.length).toBe(2);
    await fixture.timing.advance(20 * HEARTBEAT_MS);
    expect(opened.length).toBe(2);
    fixture.stream?.close();
  });

  test("is noticed at once when a device wakes up", async () => {
    const fixture = new Fixture();
    const { opener, opened } = openerOf(fixture.backend, [{}]);
    fixture.start(opener);
    await fixture.timing.advance(1000);
    fixture.timing.sleep(40_000);
    fixture.connectivity.change("visible");
    await fixture.timing.advance(1500);
    expect(opened.length).toBe(1);
    fixture.timing.sleep(3_600_000);
    fixture.connectivity.change("visible");
    await fixture.timing.advance(1500);
    expect(opened.length).toBe(2);
    fixture.stream?.close();
  });

  test("is not broken by heartbeats that a proxy held back, or by duplicates", async () => {
    const fixture = new Fixture();
    const late = fixture.backend.gatewayEvent("heartbeat", 0);
    await fixture.timing.advance(120_000);
    const { opener, opened } = openerOf(fixture.backend, [{ muteAfter: 0 }]);
    const open: StreamOpener["open"] = async function* (options) {
      const inner = opener.open(options)[Symbol.asyncIterator]();
      const first = (await inner.next()).value;
      yield first;
      for (;;) {
        await new Promise<void>((resolve) => fixture.timing.after(10_000, resolve));
        yield first;
        yield late;
      }
    };
    fixture.start({ ...opener, open });
    await fixture.timing.advance(2 * HEARTBEAT_MS + 3000);
    expect(opened.length).toBe(2);
    fixture.stream?.close();
  });
});

describe("transports", () => {
  test("a buffered stream is replaced by the next transport, and the better one is tried again later", async () => {
    const fixture = new Fixture();
    const [fetch, other, poll] = [
      openerOf(fixture.backend, [{ buffers: true }, { buffers: true }, {}]),
      openerOf(fixture.backend, [{ buffers: true }]),
      openerOf(fixture.backend, [{ cutAfter: 1 }], "poll"),
    ];
    fixture.start(fetch.opener, other.opener, poll.opener);
    await fixture.timing.advance(20_000);
    fixture.backend.publish(1);
    await settle();
    expect(fixture.received).toEqual([1]);
    const used = () => [fetch, other, poll].map(({ opened }) => opened.length);
    expect(used()).toEqual([1, 1, 1]);
    for (let n = 2; n <= 30; n++) {
      await fixture.timing.advance(20_000);
      fixture.backend.publish(1);
      await settle();
    }
    expect(used().slice(0, 2)).toEqual([1, 1]);
    await fixture.timing.advance(30_000);
    fixture.backend.publish(1);
    await fixture.timing.advance(30_000);
    expect(used().slice(0, 2)).toEqual([2, 2]);
    // The second failure doubles the time until the next try.
    for (let n = 32; n <= 90; n++) {
      await fixture.timing.advance(20_000);
      fixture.backend.publish(1);
      await settle();
    }
    expect(fetch.opened.length).toBe(2);
    await fixture.timing.advance(60_000);
    fixture.backend.publish(1);
    await fixture.timing.advance(2000);
    expect(fetch.opened.length).toBe(3);
    expect(fixture.states.at(-1)?.detail.transport).toBe("fetch");
    expect(fixture.received).toEqual(Array.from({ length: 91 }, (_, n) => n + 1));
    fixture.stream?.close();
  });

  test("a proxy that lets only the first event through is noticed", async () => {
    const fixture = new Fixture();
    const fetch = openerOf(fixture.backend, [{ muteAfter: 0 }]);
    const poll = openerOf(fixture.backend, [{}], "poll");
    fixture.start(fetch.opener, poll.opener);
    await fixture.timing.advance(60_000);
    expect([fetch.opened.length, poll.opened.length]).toEqual([1, 1]);
    fixture.stream?.close();
  });

  test("a stream that delivered a heartbeat and then went silent is tried again with the same transport", async () => {
    const fixture = new Fixture();
    const fetch = openerOf(fixture.backend, [{ muteAfter: 1 }, {}]);
    const poll = openerOf(fixture.backend, [{}], "poll");
    fixture.start(fetch.opener, poll.opener);
    await fixture.timing.advance(3 * HEARTBEAT_MS + 5000);
    expect([fetch.opened.length, poll.opened.length]).toEqual([2, 0]);
    fixture.stream?.close();
  });

  test("a proxy that forwards the start of each stream is noticed, although each stream delivers events", async () => {
    const fixture = new Fixture();
    const fetch = openerOf(fixture.backend, [{ withholdsAfterMs: 700 }]);
    const poll = openerOf(fixture.backend, [{}], "poll");
    fixture.start(fetch.opener, poll.opener);
    for (let n = 0; n < 150; n++) {
      await fixture.timing.advance(500);
      fixture.backend.publish(1);
    }
    await settle();
    expect([fetch.opened.length, poll.opened.length]).toEqual([1, 1]);
    expect(fixture.received).toEqual(Array.from({ length: 150 }, (_, n) => n + 1));
    fixture.stream?.close();
  });

  test("events that were missed do not show that a stream works", async () => {
    const fixture = new Fixture(() => 0);
    const start = { eventId: "ev-0", timestampMs: fixture.timing.now() };
    fixture.backend.publish(5);
    await fixture.timing.advance(1000);
    const resumed = new Fixture(() => 0, new EventProgress(start));
    const fetch = openerOf(fixture.backend, [{ muteAfter: 0 }]);
    const poll = openerOf(fixture.backend, [{}], "poll");
    resumed.start(fetch.opener, poll.opener);
    await resumed.timing.advance(1000);
    expect(resumed.received).toEqual([1, 2, 3, 4, 5]);
    await resumed.timing.advance(2 * HEARTBEAT_MS + 2000);
    expect([fetch.opened.length, poll.opened.length]).toEqual([1, 1]);
    resumed.stream?.close();
  });

  test("a sleep of the device does not count as a fault of the transport", async () => {
    const fixture = new Fixture();
    const fetch = openerOf(fixture.backend, [{}]);
    const poll = openerOf(fixture.backend, [{}], "poll");
    fixture.start(fetch.opener, poll.opener);
    await fixture.timing.advance(1000);
    fixture.timing.sleep(3_600_000);
    fixture.connectivity.change("visible");
    await fixture.timing.advance(1500);
    expect([fetch.opened.length, poll.opened.length]).toEqual([2, 0]);
    fixture.stream?.close();
  });

  test("a transport that cannot send is left after three failures; refusals do not count", async () => {
    const fixture = new Fixture(() => 0);
    const busy = { error: refused("TOO_MANY_STREAMS", Code.ResourceExhausted) };
    const broken = { error: new TypeError("no streams here") };
    const fetch = openerOf(fixture.backend, [busy, busy, busy, busy, broken, broken, broken]);
    const poll = openerOf(fixture.backend, [{}], "poll");
    fixture.start(fetch.opener, poll.opener);
    await fixture.timing.advance(10_000);
    expect([fetch.opened.length, poll.opened.length]).toEqual([7, 1]);
    fixture.stream?.close();
  });
});

describe("an end for good", () => {
  const revoked = { error: refused("SESSION_REVOKED", Code.FailedPrecondition) };
  const unknown = { error: refused("SESSION_NOT_FOUND", Code.Unauthenticated) };

  test("needs three refusals in sequence, because one can be forged", async () => {
    const fixture = new Fixture();
    const { opener, opened } = openerOf(fixture.backend, [revoked, unknown, revoked]);
    fixture.start(opener);
    await fixture.timing.advance(60_000);
    expect(opened.length).toBe(3);
    expect(Math.min(...fixture.delays)).toBeGreaterThanOrEqual(1000);
    expect(fixture.state).toBe("ended");
    expect(fixture.states.at(-1)?.detail.error).toBe(revoked.error);
    expect([fixture.timing.pending, fixture.connectivity.watchers]).toEqual([0, 0]);
  });

  test("does not come from refusals between streams that work, or from other errors", async () => {
    const fixture = new Fixture();
    const down = { error: new CutError("cut") };
    const { opener } = openerOf(fixture.backend, [revoked, revoked, { cutAfter: 0 }, revoked, down, down, down, revoked, {}]);
    fixture.start(opener);
    await fixture.timing.advance(120_000);
    expect(fixture.state).toBe("live");
    fixture.stream?.close();
  });

  test.each(["RATE_LIMITED", "SHUTTING_DOWN", "INTERNAL", "TIMESTAMP_OUT_OF_WINDOW", "REQUEST_REPLAYED"] as const)(
    "does not come from %s, however often",
    async (reason) => {
      const fixture = new Fixture();
      const behaviours = [...Array<Behaviour>(20).fill({ error: refused(reason, Code.FailedPrecondition) }), {}];
      fixture.start(openerOf(fixture.backend, behaviours).opener);
      await fixture.timing.advance(600_000);
      expect(fixture.state).toBe("live");
      fixture.stream?.close();
    },
  );
});

describe("offline", () => {
  test("pauses, and resumes at once when the network is back", async () => {
    const fixture = new Fixture();
    const { opener, opened } = openerOf(fixture.backend, [{}]);
    fixture.start(opener);
    await settle();
    fixture.backend.publish(1);
    await settle();
    fixture.connectivity.change("offline");
    await fixture.timing.advance(50_000);
    expect([fixture.state, opened.length]).toEqual(["offline", 1]);
    fixture.backend.publish(2);
    fixture.connectivity.change("online");
    await settle();
    expect(fixture.received).toEqual([1, 2, 3]);
    expect(opened).toEqual([undefined, "ev-1"]);
    fixture.stream?.close();
  });

  test("still tries once a minute, because the platform can be wrong", async () => {
    const fixture = new Fixture();
    fixture.connectivity.isOfflineNow = true;
    const { opener, opened } = openerOf(fixture.backend, [{}]);
    fixture.start(opener);
    await fixture.timing.advance(59_000);
    expect(opened.length).toBe(0);
    await fixture.timing.advance(2000);
    expect([fixture.state, opened.length]).toEqual(["live", 1]);
    fixture.stream?.close();
  });
});

test("close frees everything, in every state", async () => {
  const hangs: StreamOpener = {
    ...openerOf(new FakeBackend(new ManualTiming()), [{}]).opener,
    open: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }),
  };
  for (const behaviour of ["live", "hangs", "waits", "offline"] as const) {
    const fixture = new Fixture();
    const { opener } = openerOf(fixture.backend, [behaviour === "waits" ? { error: new CutError("cut") } : {}]);
    fixture.connectivity.isOfflineNow = behaviour === "offline";
    const stream = fixture.start(behaviour === "hangs" ? hangs : opener);
    await settle();
    const before = fixture.states.length;
    stream.close();
    fixture.backend.publish(3);
    await settle();
    expect([behaviour, fixture.timing.pending, fixture.connectivity.watchers]).toEqual([behaviour, 0, 0]);
    expect([fixture.states.length, fixture.received]).toEqual([before, []]);
  }
});

test("old events that a proxy splices into a resumed stream are dropped", async () => {
  const fixture = new Fixture();
  const old = verified("test.number", "ev-old", { n: 99 }, fixture.timing.now());
  await fixture.timing.advance(11 * 60_000);
  const { opener } = openerOf(fixture.backend, [{ cutAfter: 1 }, {}]);
  const open: StreamOpener["open"] = async function* (options) {
    for await (const event of opener.open(options)) {
      yield event;
      if (options.resumeAfter !== undefined) yield old;
    }
  };
  fixture.start({ ...opener, open });
  await settle();
  fixture.backend.publish(3);
  await fixture.timing.advance(5000);
  expect(fixture.received).toEqual([1, 2, 3]);
  fixture.stream?.close();
});

describe("whatever the network and the gateways do", () => {
  const behaviour: fc.Arbitrary<Behaviour> = fc.record({
    historyFrom: fc.constantFrom(0, 0, 3, 8, 15),
    cutAfter: fc.nat({ max: 4 }),
    duplicates: fc.boolean(),
    hidesResync: fc.boolean(),
    buffers: fc.constantFrom(false, false, false, true),
  });

  test("every event arrives once and in order, or there is a resync between", async () => {
    const run = async (behaviours: Behaviour[], publish: number[], random: number) => {
      const fixture = new Fixture(() => random);
      const [fetch, poll] = [
        openerOf(fixture.backend, [...behaviours, {}]),
        openerOf(fixture.backend, [...behaviours.toReversed(), {}], "poll"),
      ];
      fixture.start(fetch.opener, poll.opener);
      await settle();
      for (const count of publish) {
        fixture.backend.publish(count);
        await fixture.timing.advance(3000);
      }
      // Each stream of the lists ends within four more events.
      for (let more = 0; more < 30; more++) {
        fixture.backend.publish(4);
        await fixture.timing.advance(40_000);
      }
      const { received } = fixture;
      fixture.stream?.close();
      const total = fixture.backend.log.length;
      expect(received.at(-1)).toBe(total);
      expect(outOfSequence(startingAt(received))).toEqual([]);
    };
    const cases = [fc.array(behaviour, { maxLength: 12 }), fc.array(fc.nat({ max: 4 }), { maxLength: 8 })] as const;
    await fc.assert(fc.asyncProperty(...cases, fc.double({ min: 0, max: 0.99, noNaN: true }), run), { numRuns: 60 });
  }, 60_000);

  /** A subscription starts with the next event, whatever its number. */
  function startingAt(received: readonly (number | "resync")[]): (number | "resync")[] {
    const first = Number(received.find((each) => each !== "resync"));
    return received.map((each) => (each === "resync" ? each : each - first));
  }
});
