import { afterEach, describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/schema.ts";
import { Poller, typesOf } from "../support/poller.ts";
import { gapsWithoutResync, lastNumber, outOfSequence, receivedSequence } from "../support/received-sequence.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";
import { clientEvent, PushServer } from "../unit/backend/support/push-server.ts";

/** Polls while events are published: every event once and in order, or `gateway.resync`. */

const POLLS = 100;
/** The poller is at most this far behind. The history has 500 events: a poller that is farther behind gets a resync. */
const AHEAD_MAX = 100;

interface Fixture {
  readonly feed: PushServer;
  readonly world: World;
}

const open: Fixture[] = [];
async function openFixture(config: Partial<Config> = {}, sendsCursors = true): Promise<Fixture> {
  const feed = await Object.assign(new PushServer(), { sendsCursors }).start();
  const quick = { "push.backoff_min_ms": 1, "push.backoff_max_ms": 10, "streams.per_session_max": 100 };
  const world = await openWorld({ "push.url": feed.url, ...quick, ...config });
  const fixture = { feed, world };
  open.push(fixture);
  return fixture;
}
afterEach(async () => {
  for (const { feed, world } of open.splice(0)) {
    await world.close();
    await feed.kill();
  }
});

/** Publishes numbered events for a user in bursts, until it is stopped. Every fifth event is for the session. */
class Publisher {
  sent = 0;
  readonly #fixture: Fixture;
  readonly #device: Device;
  readonly #bytes: number;

  constructor(fixture: Fixture, device: Device, bytes = 0) {
    this.#fixture = fixture;
    this.#device = device;
    this.#bytes = bytes;
  }

  burst(events: number): void {
    for (let n = 0; n < events; n++) {
      const { userId, deviceSessionId } = this.#device;
      const audience = this.sent % 5 === 0 ? { deviceSessionId } : { userId };
      const payloadBytes = new TextEncoder().encode(JSON.stringify({ n: this.sent, fill: "x".repeat(this.#bytes) }));
      this.#fixture.feed.push(clientEvent({ ...audience, eventId: `e-${this.sent}`, eventType: "count.up", payloadBytes }));
      this.sent++;
    }
  }

  /** Publishes bursts of 0 to 6 events until it is stopped, at the latest at the end of the test. It waits for a slow poller. */
  startFor(poller: Poller): AsyncDisposable & { stop(): Promise<void> } {
    let isStopped = false;
    const run = async () => {
      while (!isStopped) {
        if (this.sent - receivedSequence(poller).length < AHEAD_MAX) this.burst(Math.floor(Math.random() * 7));
        await Bun.sleep(Math.random() * 4);
      }
    };
    const running = run();
    const stop = () => {
      isStopped = true;
      return running;
    };
    return { stop, [Symbol.asyncDispose]: stop };
  }
}

const [anyVariant = expect.unreachable()] = VARIANTS;

describe("100 consecutive polls", () => {
  test.each(VARIANTS)(
    "$name: deliver every event once and in order",
    async (variant) => {
      const fixture = await openFixture();
      const device = await fixture.world.login();
      const poller = new Poller(fixture.world.transport(variant), device);
      await poller.poll({ wait_ms: 0 });
      const publisher = new Publisher(fixture, device);
      await using publishing = publisher.startFor(poller);
      const sizes: number[] = [];
      for (let n = 1; n < POLLS; n++) sizes.push((await poller.poll({ events_max: 1 + (n % 4) })).length - 1);
      await publishing.stop();
      while (lastNumber(poller.events) !== publisher.sent - 1) await poller.poll({ events_max: 1000 });
      expect(receivedSequence(poller)).toEqual(Array.from({ length: publisher.sent }, (_, n) => n));
      expect(Math.max(...sizes)).toBeLessThanOrEqual(4);
      expect(Math.max(...sizes)).toBeGreaterThan(1);
    },
    60_000,
  );

  test("that are cut at random moments deliver every event once and in order", async () => {
    const fixture = await openFixture();
    const device = await fixture.world.login();
    const poller = new Poller(fixture.world.transport(anyVariant), device);
    await poller.poll({ wait_ms: 0 });
    const publisher = new Publisher(fixture, device);
    await using publishing = publisher.startFor(poller);
    let cuts = 0;
    for (let n = 0; n < POLLS; n++) {
      const abort = new AbortController();
      const cut = setTimeout(() => abort.abort(), Math.random() * 8);
      await poller.poll({ events_max: 5 }, { signal: abort.signal }).catch(() => cuts++);
      clearTimeout(cut);
    }
    await publishing.stop();
    while (lastNumber(poller.events) !== publisher.sent - 1) await poller.poll({ events_max: 1000 });
    expect(receivedSequence(poller)).toEqual(Array.from({ length: publisher.sent }, (_, n) => n));
    expect(cuts).toBeGreaterThan(0);
  }, 60_000);
});

describe("an answer", () => {
  test("has all events of one read of the push feed, and at most 1 MiB; the next answers have the rest", async () => {
    const roomy = { "history.bytes_max": 16 * 1024 * 1024, "streams.outbox_bytes_max": 64 * 1024 * 1024 };
    const fixture = await openFixture(roomy);
    const device = await fixture.world.login();
    const poller = new Poller(fixture.world.transport(anyVariant), device);
    await poller.poll({ wait_ms: 0 });
    const waiting = poller.poll();
    await until(async () => (await metric(fixture.world.gateway, "sallyport_streams")) === 1, "the poll to wait");
    const publisher = new Publisher(fixture, device, 100_000);
    publisher.burst(40);
    const first = await waiting;
    await until(async () => (await metric(fixture.world.gateway, "sallyport_history_events")) === 40, "all events");
    const sizes = [first.length - 1];
    while (receivedSequence(poller).length < 40) sizes.push((await poller.poll({ events_max: 1000 })).length - 1);
    expect(receivedSequence(poller)).toEqual(Array.from({ length: 40 }, (_, n) => n));
    // 10 events of 100 KB fit in 1 MiB.
    expect(Math.max(...sizes)).toBe(10);
  });

  test("that a history of a few events cannot complete is a resync, never a gap", async () => {
    const fixture = await openFixture({ "history.events_max": 3 });
    const device = await fixture.world.login();
    const poller = new Poller(fixture.world.transport(anyVariant), device);
    await poller.poll({ wait_ms: 0 });
    const publisher = new Publisher(fixture, device);
    const gaps: number[] = [];
    for (let round = 0; round < 20; round++) {
      const from = publisher.sent;
      publisher.burst(round % 2 === 0 ? 2 : 10);
      await until(
        async () => (await metric(fixture.world.gateway, "sallyport_events_total", '{kind="client_event"}')) === publisher.sent,
        "all events",
      );
      if (publisher.sent - from > 6) gaps.push(from + 1);
      const events = await poller.poll({ wait_ms: 0 });
      if (publisher.sent - from > 6) expect(typesOf(events)).toEqual(["gateway.server_time", "gateway.resync"]);
    }
    expect(outOfSequence(receivedSequence(poller))).toEqual([]);
    expect(gapsWithoutResync(receivedSequence(poller), gaps)).toEqual([]);
  });

  test("after a gap in the push feed is a resync, whether the poll waits or comes later", async () => {
    const { feed, world } = await openFixture({}, false);
    const device = await world.login();
    const pollers = [0, 1].map(() => new Poller(world.transport(anyVariant), device));
    for (const poller of pollers) await poller.poll({ wait_ms: 0 });
    const isUp = () => metric(world.gateway, "sallyport_push_feed_up");
    const [waits, comesLater] = pollers;
    const waiting = waits?.poll();
    await until(async () => (await metric(world.gateway, "sallyport_streams")) === 1, "the poll to wait");
    await feed.kill();
    await until(async () => (await isUp()) === 0, "the feed to be down");
    await feed.start();
    const resync = ["gateway.server_time", "gateway.resync"];
    expect(typesOf((await waiting) ?? [])).toEqual(resync);
    await until(async () => (await isUp()) === 1, "the feed to be up");
    expect(typesOf((await comesLater?.poll()) ?? [])).toEqual(resync);
  });
});
