import { afterEach, describe, expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { PushFeed, type PushFeedOptions } from "../../../../src/backend/feed/push-feed.ts";
import { openPushLink, type PushTransportOptions } from "../../../../src/backend/feed/push-transport.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import type { ClientEvent } from "../../../../src/core/events.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { until } from "../../../support/until.ts";
import { clientEvent, PushServer, sessionInvalidation } from "../support/push-server.ts";
import { rawServer } from "../support/raw-server.ts";
import { RecordingLog, RecordingMetrics, RecordingSink } from "../support/recorders.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function pushServer(setUp: Partial<PushServer> = {}): Promise<PushServer> {
  const server = await Object.assign(new PushServer(), setUp).start();
  cleanUps.push(() => server.kill());
  return server;
}

type FeedOptions = [options?: Partial<PushFeedOptions>, link?: Partial<PushTransportOptions>];

class Feed extends PushFeed {
  readonly sink: RecordingSink;
  readonly metrics: RecordingMetrics;
  readonly log: RecordingLog;

  constructor(url: string, ...[options = {}, link = {}]: FeedOptions) {
    const sink = new RecordingSink();
    const metrics = new RecordingMetrics();
    const log = new RecordingLog();
    super({
      link: openPushLink({ url, protocol: "grpc", ...link }),
      gatewayId: "gateway-1",
      sink,
      backoffMinMs: 5,
      backoffMaxMs: 20,
      clock: systemClock,
      random: Math.random,
      log,
      metrics,
      onStateChange: (isUp) => sink.note(isUp ? "up" : "down"),
      ...options,
    });
    this.sink = sink;
    this.metrics = metrics;
    this.log = log;
    cleanUps.push(() => this.stop());
  }

  get deliveries(): string[] {
    return this.sink.entries.filter((entry) => entry !== "up" && entry !== "down");
  }

  has(entry: string): Promise<void> {
    return this.sink.until((entries) => entries.includes(entry));
  }

  upTimes(times: number): Promise<void> {
    return this.sink.until((entries) => entries.filter((entry) => entry === "up").length >= times && entries.at(-1) !== "down");
  }
}

/** A feed that is connected to its backend. */
async function connectedFeed(setUp: Partial<PushServer> = {}, ...options: FeedOptions) {
  const server = await pushServer(setUp);
  const feed = new Feed(server.url, ...options);
  feed.start();
  await feed.has("up");
  return { server, feed };
}

test("each stream sends the token that is current when it opens", async () => {
  let token: string | undefined;
  const { server, feed } = await connectedFeed({}, {}, { token: () => token });
  for (token of ["first", "second"]) {
    const before = server.authorizations.length;
    server.cut();
    await until(() => server.authorizations.length > before, "a new stream");
  }
  await feed.stop();
  expect(server.authorizations.slice(0, 1)).toEqual([null]);
  expect([...new Set(server.authorizations.slice(1))]).toEqual(["Bearer first", "Bearer second"]);
});

describe("over each protocol", () => {
  for (const protocol of ["grpc", "connect", "grpc-web"] as const) {
    test(`${protocol}: events and revocations arrive in the order of the feed`, async () => {
      const { server, feed } = await connectedFeed({}, {}, { protocol, token: "s3cret" });
      for (let number = 1; number <= 50; number++) server.pushNumber(number);
      server.push(sessionInvalidation({ deviceSessionId: "s1" }));
      server.push(sessionInvalidation({ userId: "u1" }));
      server.push(clientEvent({ deviceSessionId: "s2", eventId: "last" }));
      await feed.has("event last");
      const numbers = Array.from({ length: 50 }, (_, index) => `event ${index + 1}`);
      expect(feed.deliveries).toEqual([...numbers, "revoke /s1", "revoke u1/", "event last"]);
      expect(server.subscriptions[0]).toMatchObject({ gatewayId: "gateway-1", cursor: "" });
      expect(server.authorizations).toEqual(["Bearer s3cret"]);
      expect(feed.metrics.values.get('sallyport_events_total{kind="client_event"}')).toBe(51);
      expect(feed.metrics.values.get('sallyport_events_total{kind="session_invalidation"}')).toBe(2);
    });

    test(`${protocol}: a connection that stops responding is replaced`, async () => {
      const server = await pushServer();
      const proxy = await freezableProxy(server.port);
      const feed = new Feed(proxy.url, {}, { protocol, pingIntervalMs: 30, pingTimeoutMs: 30, connectTimeoutMs: 50 });
      feed.start();
      await feed.has("up");
      proxy.frozen = true;
      await feed.has("down");
      server.pushNumber(1);
      proxy.frozen = false;
      await feed.has("event 1");
    });
  }
});

describe("a backend with cursors", () => {
  test("repeated disconnects lose no event and deliver none twice", async () => {
    const { server, feed } = await connectedFeed();
    for (let number = 1; number <= 600; number++) {
      server.pushNumber(number);
      if (number % 60 === 0) {
        if (number % 120 === 0) await feed.has(`event ${number - 30}`);
        server.cut();
      }
    }
    await feed.has("event 600");
    expect(feed.deliveries).toEqual(Array.from({ length: 600 }, (_, index) => `event ${index + 1}`));
    expect(feed.metrics.values.get("sallyport_push_feed_gaps_total")).toBeUndefined();
    expect(feed.metrics.values.get("sallyport_push_feed_reconnects_total")).toBeGreaterThan(0);
  });

  test("events of an outage are delivered after the reconnect", async () => {
    const { server, feed } = await connectedFeed();
    server.pushNumber(1);
    await feed.has("event 1");
    await server.kill();
    await feed.has("down");
    server.pushNumber(2);
    server.pushNumber(3);
    await server.start();
    await feed.has("event 3");
    expect(feed.deliveries).toEqual(["event 1", "event 2", "event 3"]);
  });

  test("each message passes its cursor to the sink, a keepalive too; an empty cursor is none", async () => {
    const { server, feed } = await connectedFeed();
    server.push(clientEvent({ userId: "u-1", eventId: "e-1" }));
    server.push(sessionInvalidation({ deviceSessionId: "s-1" }));
    server.push(clientEvent({ userId: "u-1", eventType: "BAD" }));
    server.push({});
    server.push({ ...clientEvent({ userId: "u-1", eventId: "e-2" }), cursor: "" });
    await feed.has("event e-2");
    expect(feed.sink.cursors).toEqual(["reached 0", "event 1", "revoke 2", "lost 3", "reached 4"]);
  });

  test("a keepalive advances the cursor: a disconnect before the first event causes no gap", async () => {
    const { server, feed } = await connectedFeed({ log: [clientEvent({ userId: "u1", eventId: "old" })] });
    await waitForMetric(feed, 'sallyport_events_total{kind="keepalive"}', 1);
    server.cut();
    await feed.upTimes(2);
    expect(server.subscriptions.map(({ cursor }) => cursor).slice(0, 2)).toEqual(["", "1"]);
    expect(feed.deliveries).toEqual([]);
  });

  test("OUT_OF_RANGE causes one gap, reported when the new stream is open, and a new start without a cursor", async () => {
    const { server, feed } = await connectedFeed();
    server.pushNumber(1);
    await feed.has("event 1");
    await server.kill();
    server.pushNumber(2);
    server.pushNumber(3);
    server.prunedTo = 3;
    await server.start();
    await feed.has("gap");
    await feed.upTimes(2);
    server.pushNumber(4);
    await feed.has("event 4");
    expect(feed.deliveries).toEqual(["event 1", "gap", "event 4"]);
    expect(server.subscriptions.map(({ cursor }) => cursor)).toEqual(["", "1", ""]);
    expect(feed.metrics.values.get("sallyport_push_feed_gaps_total")).toBe(1);
  });

  test("repeated RESOURCE_EXHAUSTED keeps the cursor: no event is lost and no gap is reported", async () => {
    const server = await pushServer({ failWith: new ConnectError("too many streams", Code.ResourceExhausted) });
    const feed = new Feed(server.url);
    server.pushNumber(1);
    feed.start();
    await until(() => server.subscriptions.length > 10, "ten more subscriptions");
    server.failWith = undefined;
    server.pushNumber(2);
    await feed.has("event 2");
    expect(feed.deliveries).toEqual(["event 2"]);
    expect(server.subscriptions.slice(1).every(({ cursor }) => cursor === "1")).toBe(true);
  });

  test("an event without a cursor is not delivered twice; a disconnect after it is a gap", async () => {
    const { server, feed } = await connectedFeed();
    server.pushNumber(1);
    server.push({ ...clientEvent({ userId: "u1", eventId: "2" }), cursor: "" });
    await feed.has("event 2");
    server.cut();
    await feed.has("gap");
    await feed.upTimes(2);
    server.pushNumber(3);
    await feed.has("event 3");
    expect(feed.deliveries).toEqual(["event 1", "event 2", "gap", "event 3"]);
  });

  test("a stream without messages for silenceMs is reconnected; a stream with keepalives is not", async () => {
    const server = await pushServer();
    const feed = new Feed(server.url, { silenceMs: 100 });
    feed.start();
    await waitForReconnects(feed, 2);
    expect(feed.log.lines.join()).toContain("no message for 100 ms, not even a keepalive");
    server.keepaliveMs = 10;
    server.cut();
    const staysOpen = async () => {
      const before = server.subscriptions.length;
      await Bun.sleep(300);
      return server.subscriptions.length === before;
    };
    await until(staysOpen, "a stream that stays open");
    server.pushNumber(1);
    await feed.has("event 1");
    expect(feed.deliveries).toEqual(["event 1"]);
  });

  test("the time to connect does not count as silence", async () => {
    const server = await pushServer({ keepaliveMs: 10 });
    const link = openPushLink({ url: server.url, protocol: "grpc" });
    const slow = { ...link, connect: () => Bun.sleep(300).then(() => link.connect()) };
    const feed = new Feed(server.url, { silenceMs: 200, link: slow });
    feed.start();
    await feed.has("up");
    expect(feed.log.lines.join()).not.toContain("failed");
  });

  test.each(["grpc", "connect", "grpc-web"] as const)(
    "a message that is too large is skipped and reported as a gap, over %s",
    async (protocol) => {
      const { server, feed } = await connectedFeed({}, {}, { messageBytesMax: 2000, protocol });
      server.pushNumber(1);
      server.push(clientEvent({ userId: "u1", eventId: "huge", payloadBytes: new Uint8Array(5000) }));
      server.pushNumber(2);
      await feed.has("event 2");
      expect(feed.deliveries).toEqual(["event 1", "gap", "event 2"]);
      expect(feed.metrics.values.get('sallyport_events_dropped_total{reason="too_large"}')).toBe(1);
      expect(server.subscriptions).toHaveLength(1);
    },
  );
});

describe("a backend without cursors", () => {
  test("every reconnect is a gap, reported before the next event", async () => {
    const { server, feed } = await connectedFeed({ sendsCursors: false });
    server.pushNumber(1);
    await feed.has("event 1");
    server.cut();
    await feed.has("gap");
    await feed.upTimes(2);
    server.pushNumber(2);
    await feed.has("event 2");
    expect(feed.deliveries).toEqual(["event 1", "gap", "event 2"]);
    expect(server.subscriptions.map(({ cursor }) => cursor)).toEqual(["", ""]);
  });

  test("a backend that starts after the gateway causes a gap, because streams may already be open", async () => {
    const server = await pushServer();
    await server.kill();
    const feed = new Feed(server.url);
    feed.start();
    await waitForReconnects(feed, 2);
    expect(feed.isUp).toBe(false);
    await server.start();
    await feed.has("gap");
    expect(feed.deliveries).toEqual(["gap"]);
  });
});

describe("one bad event", () => {
  test("that breaks the contract is dropped, counted and logged; other events are delivered", async () => {
    const { server, feed } = await connectedFeed();
    server.push(clientEvent({ eventId: "without audience" }));
    server.push(clientEvent({ userId: "u1", eventType: "gateway.server_time" }));
    server.pushNumber(3);
    await feed.has("event 3");
    // Without a known audience the loss is a gap; otherwise only its audience is notified.
    expect(feed.deliveries).toEqual(["gap", "lost u1/", "event 3"]);
    expect(feed.metrics.values.get('sallyport_events_dropped_total{reason="no_audience"}')).toBe(1);
    expect(feed.metrics.values.get('sallyport_events_dropped_total{reason="reserved_event_type"}')).toBe(1);
    expect(feed.log.lines.filter((line) => line.includes("push feed message dropped"))).toHaveLength(2);
  });

  test("that the sink rejects is counted as a gap and not delivered again after a reconnect", async () => {
    const server = await pushServer();
    const feed = new Feed(server.url);
    feed.sink.failOn = "event 2";
    feed.start();
    await feed.has("up");
    for (const number of [1, 2, 3]) server.pushNumber(number);
    await feed.has("event 3");
    feed.sink.failOn = undefined;
    server.cut();
    await feed.upTimes(2);
    server.pushNumber(4);
    await feed.has("event 4");
    expect(feed.deliveries).toEqual(["event 1", "gap", "event 3", "event 4"]);
    expect(feed.metrics.values.get('sallyport_events_dropped_total{reason="delivery_failed"}')).toBe(1);
  });
});

describe("the feed's state", () => {
  test("is up while a stream is open and down otherwise", async () => {
    const server = await pushServer();
    const feed = new Feed(server.url);
    const states = [feed.isUp];
    feed.start();
    await waitForMetric(feed, "sallyport_push_feed_up", 1);
    states.push(feed.isUp);
    await server.kill();
    await feed.has("down");
    states.push(feed.isUp);
    expect(states).toEqual([false, true, false]);
    expect(feed.metrics.values.get("sallyport_push_feed_up")).toBe(0);
  });

  test("observer that throws does not stop the feed", async () => {
    const server = await pushServer();
    const feed = new Feed(server.url, {
      onStateChange: () => {
        throw new Error("the observer failed");
      },
    });
    feed.start();
    server.cut();
    await waitForMetric(feed, "sallyport_push_feed_up", 1);
    server.pushNumber(1);
    await feed.has("event 1");
  });
});

describe("back-off", () => {
  /** Records the waits between streams without waiting. */
  function recordWaits(waits: number[], enough: number): { done: Promise<void>; sleep: NonNullable<PushFeedOptions["sleep"]> } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const sleep = async (ms: number, signal: AbortSignal) => {
      waits.push(ms);
      if (waits.length < enough) return;
      resolve();
      await new Promise<void>((stop) => signal.addEventListener("abort", () => stop()));
    };
    return { done: promise, sleep };
  }

  test("doubles while streams fail, even after a keepalive", async () => {
    const server = await pushServer({ failWith: new ConnectError("not now", Code.Unavailable) });
    const waits: number[] = [];
    const { done, sleep } = recordWaits(waits, 4);
    const clock = new ManualClock();
    const feed = new Feed(server.url, { sleep, clock, random: () => 1, backoffMinMs: 100, backoffMaxMs: 300 });
    feed.start();
    await done;
    expect(waits).toEqual([100, 200, 300, 300]);
  });

  test("resets after an event", async () => {
    const server = await pushServer({ failWith: new ConnectError("not now", Code.Unavailable) });
    const waits: number[] = [];
    const { done, sleep } = recordWaits(waits, 3);
    const clock = new ManualClock();
    const pushThenSleep = (ms: number, signal: AbortSignal) => {
      if (waits.length === 1) server.pushNumber(1);
      return sleep(ms, signal);
    };
    new Feed(server.url, { sleep: pushThenSleep, clock, random: () => 1, backoffMinMs: 100, backoffMaxMs: 300 }).start();
    await done;
    expect(waits).toEqual([100, 200, 100]);
  });

  test("resets after a stream that stayed open for backoffMaxMs", async () => {
    const server = await pushServer({ failWith: new ConnectError("not now", Code.Unavailable) });
    const waits: number[] = [];
    const { done, sleep } = recordWaits(waits, 3);
    let nowMs = 0;
    const clock = { now: () => 0, monotonic: () => (nowMs += 500) };
    new Feed(server.url, { sleep, clock, random: () => 1, backoffMinMs: 100, backoffMaxMs: 300 }).start();
    await done;
    expect(waits).toEqual([100, 100, 100]);
  });
});

test("a backend that accepts the connection and sends nothing is retried", async () => {
  const silent = await rawServer(() => {});
  cleanUps.push(() => silent[Symbol.asyncDispose]());
  const feed = new Feed(`https://127.0.0.1:${silent.port}`, {}, { connectTimeoutMs: 20 });
  feed.start();
  await waitForReconnects(feed, 2);
});

describe("stop", () => {
  test("ends an open stream immediately and delivers nothing more", async () => {
    const { server, feed } = await connectedFeed();
    await feed.stop();
    server.pushNumber(1);
    expect(feed.isUp).toBe(false);
    expect(feed.deliveries).toEqual([]);
    await until(() => server.connections === 0, "the connection to close");
  });

  test("during a batch of events drops the rest of the batch", async () => {
    const server = await pushServer();
    const delivered: string[] = [];
    const stopping = Promise.withResolvers<void>();
    const event = ({ eventId }: ClientEvent) => {
      delivered.push(eventId);
      stopping.resolve(feed.stop());
    };
    const feed = new Feed(server.url, { sink: { event, lost: () => {}, revoke: () => {}, reached: () => {}, gap: () => {} } });
    feed.start();
    await waitForMetric(feed, "sallyport_push_feed_up", 1);
    for (let number = 1; number <= 20; number++) server.pushNumber(number);
    await stopping.promise;
    expect(delivered).toEqual(["1"]);
  });

  test("ends a back-off wait immediately", async () => {
    const feed = new Feed("http://127.0.0.1:1", { random: () => 1, backoffMinMs: 600_000, backoffMaxMs: 600_000 });
    feed.start();
    await waitForLog(feed, "failed");
    await feed.stop();
  });

  test("aborts a connection attempt, and may be called twice or without start", async () => {
    const silent = await rawServer(() => {});
    cleanUps.push(() => silent[Symbol.asyncDispose]());
    const feed = new Feed(`https://127.0.0.1:${silent.port}`);
    feed.start();
    await feed.stop();
    await feed.stop();
    await new Feed(silent.url).stop();
  });
});

function waitForMetric(feed: Feed, name: string, value: number): Promise<void> {
  return until(() => (feed.metrics.values.get(name) ?? 0) >= value, `${name} to be ${value}`);
}

function waitForReconnects(feed: Feed, times: number): Promise<void> {
  return waitForMetric(feed, "sallyport_push_feed_reconnects_total", times);
}

function waitForLog(feed: Feed, part: string): Promise<void> {
  return until(() => feed.log.lines.some((line) => line.includes(part)), `a log line with "${part}"`);
}

/** A TCP proxy. While `frozen`, it drops data in both directions and keeps its connections open. */
async function freezableProxy(port: number): Promise<{ url: string; frozen: boolean }> {
  const sockets = new Set<Socket>();
  const proxy = { url: "", frozen: false };
  const join = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on("data", (data) => proxy.frozen || to.write(data));
    from.on("error", () => {});
    from.on("close", () => to.destroy());
  };
  const server = createServer((client) => {
    const backend = connect(port, "127.0.0.1");
    join(client, backend);
    join(backend, client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address === "object" && address !== null) proxy.url = `http://127.0.0.1:${address.port}`;
  cleanUps.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return proxy;
}
