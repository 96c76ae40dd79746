import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Connectivity, ConnectivityChange } from "../../../src/client/connectivity.ts";
import { EventProgress } from "../../../src/client/event-progress.ts";
import { ReconnectingStream } from "../../../src/client/reconnecting-stream.ts";
import type {
  StateDetail,
  StreamPosition,
  SubscriptionEvent,
  SubscriptionState,
} from "../../../src/client/subscription-event.ts";
import { TabStream } from "../../../src/client/tab-stream.ts";
import { TransportChoice } from "../../../src/client/transport-choice.ts";
import { outOfSequence } from "../../support/received-sequence.ts";
import { FakeBackend, HEARTBEAT_MS, openerOf, sequenceOf } from "./event-source.ts";
import { ManualTiming, settle } from "./manual-timing.ts";

/** The tabs of one browser profile, as far as Chromium cannot be made to lose messages: test/browser has the real ones. */

/** Web Locks of one name: granted in order. */
class OneLock {
  #queue: { grant: () => void; isOver: () => boolean }[] = [];
  #isHeld = false;

  readonly request = (async (_: string, { signal }: LockOptions, run: () => Promise<void>) => {
    await new Promise<void>((grant) => {
      this.#queue.push({ grant, isOver: () => signal?.aborted === true });
      this.#next();
    });
    await run();
    this.#isHeld = false;
    this.#next();
  }) as LockManager["request"];

  #next(): void {
    this.#queue = this.#queue.filter(({ isOver }) => !isOver());
    if (this.#isHeld) return;
    const next = this.#queue.shift();
    this.#isHeld = next !== undefined;
    next?.grant();
  }
}

class Profile {
  readonly timing = new ManualTiming();
  readonly backend = new FakeBackend(this.timing);
  readonly lock = new OneLock();
  readonly tabs = new Set<Tab>();
  /** The number of streams that tabs have opened. */
  readonly opened: (string | undefined)[];
  readonly #opener;

  constructor() {
    const { opener, opened } = openerOf(this.backend, [{}]);
    this.#opener = opener;
    this.opened = opened;
  }

  open(start?: StreamPosition): Tab {
    const tab = new Tab(this, start);
    this.tabs.add(tab);
    tab.source.start();
    return tab;
  }

  stream(progress: EventProgress, receiver: ConstructorParameters<typeof ReconnectingStream>[2], connectivity: Connectivity) {
    const parts = { choice: new TransportChoice([this.#opener]), timing: this.timing, connectivity };
    return new ReconnectingStream(progress, parts, receiver);
  }

  closeAll(): void {
    for (const tab of this.tabs) tab.close();
  }
}

class Tab {
  readonly events: SubscriptionEvent[] = [];
  state: SubscriptionState | undefined;
  detail: StateDetail = {};
  /** The tab gets no messages, as one that is frozen. */
  isDeaf = false;
  /** The tab sends no messages. */
  isMute = false;
  readonly source: TabStream;
  readonly channel: { onmessage: ((event: MessageEvent) => void) | null; postMessage(data: unknown): void; close(): void };
  readonly #profile: Profile;
  #onChange: (change: ConnectivityChange) => void = () => {};

  constructor(profile: Profile, start?: StreamPosition) {
    this.#profile = profile;
    this.channel = { onmessage: null, postMessage: (data) => this.#post(data), close: () => profile.tabs.delete(this) };
    const connectivity: Connectivity = {
      isOffline: () => false,
      watch: (onChange) => {
        this.#onChange = onChange;
        return () => {};
      },
    };
    const receiver = {
      event: (event: SubscriptionEvent) => void this.events.push(event),
      state: (state: SubscriptionState, detail: StateDetail) => {
        this.state = state;
        this.detail = detail;
      },
    };
    this.source = new TabStream(new EventProgress(start), receiver, {
      name: "tabs",
      locks: { request: profile.lock.request },
      createChannel: () => this.channel as BroadcastChannel,
      timing: profile.timing,
      connectivity,
      openStream: (progress, own) => profile.stream(progress, own, connectivity),
    });
  }

  get received(): (number | "resync")[] {
    return sequenceOf(this.events);
  }

  becomeVisible(): void {
    this.#onChange("visible");
  }

  close(): void {
    this.source.close();
  }

  #post(data: unknown): void {
    if (this.isMute) return;
    const message = structuredClone(data);
    for (const other of this.#profile.tabs) {
      if (other !== this && !other.isDeaf) queueMicrotask(() => other.channel.onmessage?.({ data: message } as MessageEvent));
    }
  }
}

let profile = new Profile();
afterEach(() => {
  profile.closeAll();
  profile = new Profile();
});

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

describe("tabs", () => {
  test("share one stream; a closed leader is replaced, and its successor resumes", async () => {
    const [first, second, third] = [profile.open(), profile.open(), profile.open()];
    await settle();
    profile.backend.publish(3);
    await settle();
    expect(profile.opened).toEqual([undefined]);
    expect([second.detail.transport, third.detail.transport]).toEqual(["tab", "tab"]);
    first.close();
    profile.backend.publish(2);
    await settle();
    expect(profile.opened).toEqual([undefined, "ev-3"]);
    profile.backend.publish(2);
    await settle();
    for (const tab of [second, third]) expect(tab.received).toEqual(upTo(7));
  });

  test("a tab that missed events gets them by a stream of its own, and follows again", async () => {
    const [leader, tab] = [profile.open(), profile.open()];
    await settle();
    profile.backend.publish(2);
    await settle();
    tab.isDeaf = true;
    profile.backend.publish(3);
    await settle();
    tab.isDeaf = false;
    profile.backend.publish(1);
    await settle();
    expect(tab.received).toEqual(upTo(6));
    profile.backend.publish(1);
    await settle();
    expect(profile.opened).toEqual([undefined, "ev-2"]);
    expect(tab.detail.transport).toBe("tab");
    expect(leader.received).toEqual(upTo(7));
    expect(tab.received).toEqual(upTo(7));
  });

  test("a tab that starts at an earlier event gets the events since then first", async () => {
    profile.open();
    await settle();
    profile.backend.publish(5);
    await settle();
    const tab = profile.open({ eventId: "ev-2" });
    await settle();
    profile.backend.publish(1);
    await settle();
    expect(tab.received).toEqual([3, 4, 5, 6]);
    expect(tab.detail.transport).toBe("tab");
  });

  test("a tab that starts with the next event gets none that the leader missed", async () => {
    profile.backend.publish(5);
    await profile.timing.advance(1000);
    const [leader, tab] = [profile.open({ eventId: "ev-0" }), profile.open()];
    await settle();
    expect(leader.received).toEqual(upTo(5));
    await profile.timing.advance(10);
    profile.backend.publish(2);
    await settle();
    expect(leader.received).toEqual(upTo(7));
    expect(tab.received).toEqual([6, 7]);
    expect(tab.detail.transport).toBe("tab");
  });

  test("a leader that is silent is not waited for", async () => {
    const [leader, tab] = [profile.open(), profile.open()];
    await settle();
    profile.backend.publish(1);
    await settle();
    leader.isMute = true;
    profile.backend.publish(2);
    await profile.timing.advance(2 * HEARTBEAT_MS + 12_000);
    expect(tab.received).toEqual(upTo(3));
    expect(tab.detail.transport).toBe("fetch");
  });

  test("a tab that becomes visible asks the leader, and does not wait for a frozen one", async () => {
    const [leader, tab] = [profile.open(), profile.open()];
    await settle();
    leader.isMute = true;
    profile.backend.publish(2);
    await profile.timing.advance(1000);
    tab.becomeVisible();
    await profile.timing.advance(1900);
    expect(tab.received).toEqual([]);
    await profile.timing.advance(200);
    expect(tab.received).toEqual(upTo(2));
  });

  test("where locks are refused, each tab has a stream of its own", async () => {
    const refused: LockManager["request"] = () => Promise.reject(new DOMException("no storage", "SecurityError"));
    Object.assign(profile.lock, { request: refused });
    const tab = profile.open();
    await settle();
    profile.backend.publish(2);
    await settle();
    expect(tab.received).toEqual(upTo(2));
  });

  test("messages that are none of the client's are ignored", async () => {
    const [, tab] = [profile.open(), profile.open()];
    await settle();
    const others = [{ kind: "unknown" }, { kind: "event" }, { kind: "event", event: { eventId: "x" } }, { kind: "state" }];
    for (const data of [null, 7, "x", {}, { kind: 1 }, { kind: "position" }, [], ...others]) {
      tab.channel.onmessage?.({ data } as MessageEvent);
      expect(tab.state).toBe("live");
    }
    profile.backend.publish(1);
    await settle();
    expect(tab.received).toEqual([1]);
  });
});

test("whatever tabs open, close and miss: each tab gets every event once and in order", async () => {
  const step = fc.record({
    publish: fc.nat({ max: 3 }),
    action: fc.constantFrom("open", "close", "deaf", "hear", "mute", "speak", "wait", "none"),
    tab: fc.nat({ max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const own = new Profile();
      const all = [own.open(), own.open()];
      await settle();
      for (const { publish, action, tab } of steps) {
        const chosen = [...own.tabs][tab % Math.max(own.tabs.size, 1)];
        if (action === "open") all.push(own.open());
        else if (action === "close") chosen?.close();
        else if (action === "wait") await own.timing.advance(30_000);
        else if (chosen !== undefined && action !== "none") {
          if (action === "deaf" || action === "hear") chosen.isDeaf = action === "deaf";
          else chosen.isMute = action === "mute";
        }
        own.backend.publish(publish);
        await settle();
      }
      for (const tab of own.tabs) [tab.isDeaf, tab.isMute] = [false, false];
      await own.timing.advance(2 * HEARTBEAT_MS + 20_000);
      own.backend.publish(2);
      await own.timing.advance(5000);
      for (const tab of all) {
        const first = Number(tab.received[0] ?? 0);
        expect(outOfSequence(tab.received.map((each) => (each === "resync" ? each : each - first)))).toEqual([]);
        expect(tab.received).not.toContain("resync");
      }
      for (const tab of own.tabs) expect(tab.received.at(-1)).toBe(own.backend.log.length);
      own.closeAll();
      await settle();
      expect(own.timing.pending).toBe(0);
    }),
    { numRuns: 80 },
  );
}, 60_000);
