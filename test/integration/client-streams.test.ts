import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Gateway, startGateway } from "../../src/app/gateway.ts";
import { SallyportClient, type SallyportClientOptions } from "../../src/client/client.ts";
import type { Subscription } from "../../src/client/subscription.ts";
import type { SubscriptionEvent } from "../../src/client/subscription-event.ts";
import type { Config } from "../../src/config/schema.ts";
import { NO_NGINX, startNginx } from "../support/nginx.ts";
import { outOfSequence, type ReceivedSequence } from "../support/received-sequence.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { StreamProxy } from "../support/stream-proxy.ts";
import { until } from "../support/until.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";

/** `subscribe` of the client, over networks and gateways that fail. */

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

interface Fixture {
  readonly world: World;
  readonly device: Device;
  readonly proxy: StreamProxy;
}

async function open(overrides: Partial<Config> = {}): Promise<Fixture> {
  const world = await openWorld({ "keys.current": SEED, ...overrides });
  opened.defer(() => world.close());
  const proxy = await StreamProxy.open(world.gateway.edgeUrl);
  opened.defer(() => proxy.close());
  return { world, proxy, device: await world.login() };
}

/** Another gateway of the same backend. */
async function anotherGateway({ world }: Fixture): Promise<Gateway> {
  const gateway = await startGateway({ config: world.config, log: SILENT_LOG });
  opened.defer(async () => void (await gateway.stop()));
  await until(async () => (await metric(gateway, "sallyport_push_feed_up")) === 1, "the push feed to be up");
  return gateway;
}

function clientOf({ device, proxy }: Fixture, options: Partial<SallyportClientOptions> = {}): SallyportClient {
  const { deviceSessionId, deviceKey } = device;
  const streams = { reconnectMs: 60, firstEventMs: 1000 };
  return new SallyportClient({ baseUrl: proxy.url, credentials: { deviceSessionId, deviceKey }, streams, ...options });
}

/** Reads a subscription until it ends. */
class Reader {
  readonly subscription: Subscription;
  readonly events: SubscriptionEvent[] = [];
  error: unknown;
  readonly done: Promise<void>;

  constructor(subscription: Subscription) {
    this.subscription = subscription;
    opened.defer(() => this.subscription.close());
    this.done = this.#read();
  }

  get received(): ReceivedSequence {
    return this.events.map(({ kind, payload }) => (kind === "resync" ? "resync" : Number(Object(payload).n)));
  }

  async #read(): Promise<void> {
    try {
      for await (const event of this.subscription) this.events.push(event);
    } catch (error) {
      this.error = error;
    }
  }
}

class Sender {
  readonly #fixture: Fixture;
  sent = 0;

  constructor(fixture: Fixture) {
    this.#fixture = fixture;
  }

  async send(count = 1): Promise<void> {
    const { world, device } = this.#fixture;
    for (let left = count; left > 0; left--) {
      await world.push({ user_id: device.userId, event_type: "test.number", payload: { n: this.sent++ } });
    }
  }

  get all(): number[] {
    return Array.from({ length: this.sent }, (_, n) => n);
  }
}

const isLive = (reader: Reader) => until(() => reader.subscription.state === "live", "the subscription to be live");

/** Without the header of streams, nginx holds the answer back until its buffers are full. */
const IGNORED = "proxy_ignore_headers X-Accel-Buffering;";

test("a stream that is cut 100 times delivers every event once and in order", async () => {
  const fixture = await open();
  const reader = new Reader(clientOf(fixture).subscribe());
  await isLive(reader);
  const sender = new Sender(fixture);
  fixture.proxy.faults.cutAfterBytes = () => 1200 + Math.floor(Math.random() * 2000);
  fixture.proxy.cutAll();
  while (fixture.proxy.cuts < 100) {
    const { cuts } = fixture.proxy;
    await sender.send(2);
    await until(() => fixture.proxy.cuts > cuts || reader.received.length >= sender.sent, "a cut", 40_000);
  }
  fixture.proxy.faults.cutAfterBytes = undefined;
  await until(() => reader.received.length >= sender.sent, "all events", 20_000);
  expect(reader.received).toEqual(sender.all);
  expect(sender.sent).toBeGreaterThan(100);
}, 120_000);

test("a stream that a proxy buffers is replaced by long polls, without a lost event", async () => {
  const fixture = await open();
  fixture.proxy.faults.buffers = true;
  const reader = new Reader(clientOf(fixture).subscribe());
  await isLive(reader);
  expect(reader.subscription.transport).toBe("poll");
  const sender = new Sender(fixture);
  for (let n = 0; n < 20; n++) await sender.send(n % 4);
  await until(() => reader.received.length >= sender.sent, "all events");
  expect(reader.received).toEqual(sender.all);
}, 60_000);

test("a proxy that buffers all but the start of each stream is noticed, even if events come all the time", async () => {
  const fixture = await open({ "streams.heartbeat_ms": 1000 });
  fixture.proxy.faults.buffersAfterMs = 300;
  const reader = new Reader(clientOf(fixture).subscribe());
  await isLive(reader);
  const sender = new Sender(fixture);
  const isPolling = async () => {
    await sender.send();
    await Bun.sleep(100);
    return reader.subscription.transport === "poll" && reader.subscription.state === "live";
  };
  await until(isPolling, "long polls", 40_000);
  await until(() => reader.received.length >= sender.sent, "all events");
  expect(reader.received).toEqual(sender.all);
}, 60_000);

test("a stream that worked is resumed by long polls when a proxy starts to buffer", async () => {
  const fixture = await open();
  const reader = new Reader(clientOf(fixture).subscribe());
  await isLive(reader);
  const sender = new Sender(fixture);
  await sender.send(5);
  fixture.proxy.faults.buffers = true;
  fixture.proxy.cutAll();
  await sender.send(5);
  await until(() => reader.received.length >= sender.sent, "all events");
  expect(reader.received).toEqual(sender.all);
  expect(reader.subscription.transport).toBe("poll");
}, 60_000);

describe.skipIf(NO_NGINX !== undefined)(NO_NGINX ?? "through an nginx that buffers and compresses", () => {
  test.each([
    { name: "every event of a stream arrives as it is sent", header: "", transport: "fetch" },
    { name: "and ignores X-Accel-Buffering, every event arrives by long polls", header: IGNORED, transport: "poll" },
  ] as const)(
    "$name",
    async ({ header, transport }) => {
      const fixture = await open();
      const target = fixture.world.gateway.edgeUrl;
      const nginx = await startNginx(
        (port) => `server { listen 127.0.0.1:${port}; location / {
          proxy_pass ${target}; proxy_http_version 1.1; proxy_buffering on; ${header}
          gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0; gzip_buffers 16 64k; } }`,
      );
      opened.defer(() => nginx.stop());
      const reader = new Reader(clientOf(fixture, { baseUrl: `http://127.0.0.1:${nginx.port}` }).subscribe());
      await isLive(reader);
      expect(reader.subscription.transport).toBe(transport);
      const sender = new Sender(fixture);
      await sender.send(50);
      await until(() => reader.received.length >= sender.sent, "all events");
      expect(reader.received).toEqual(sender.all);
    },
    60_000,
  );
});

test("a client that moves between two gateways gets every event once and in order", async () => {
  const fixture = await open();
  const targets = [fixture.world.gateway, await anotherGateway(fixture)].map(({ edgeUrl }) => edgeUrl);
  const reader = new Reader(clientOf(fixture).subscribe());
  await isLive(reader);
  const sender = new Sender(fixture);
  for (let move = 0; move < 20; move++) {
    await sender.send(3);
    fixture.proxy.moveTo(targets[move % 2] ?? "");
    fixture.proxy.cutAll();
    await sender.send(2);
    await until(() => reader.received.length >= sender.sent, "the events so far");
  }
  expect(reader.received).toEqual(sender.all);
}, 60_000);

test("a gateway that restarts with a checkpoint is resumed; without one, there is a resync", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-streams-"));
  opened.defer(() => rm(folder, { recursive: true }));
  for (const checkpoint of [join(folder, "checkpoint.json"), ""]) {
    const fixture = await open(checkpoint === "" ? {} : { "history.checkpoint_file": checkpoint });
    const reader = new Reader(clientOf(fixture).subscribe());
    await isLive(reader);
    const sender = new Sender(fixture);
    await sender.send(3);
    await until(() => reader.received.length >= 3, "the events before the restart");
    await fixture.world.gateway.stop();
    await sender.send(2);
    fixture.proxy.moveTo((await anotherGateway(fixture)).edgeUrl);
    await until(() => reader.received.length > 3, "the client to return");
    await isLive(reader);
    await sender.send(1);
    await until(() => reader.received.at(-1) === 5, "the event after the restart");
    expect(reader.received).toEqual(checkpoint ? [0, 1, 2, 3, 4, 5] : [0, 1, 2, "resync", 5]);
    expect(outOfSequence(reader.received)).toEqual([]);
  }
}, 60_000);

test("a device whose clock is ten minutes off works after one calibration", async () => {
  for (const offMs of [600_000, -600_000]) {
    const fixture = await open();
    const client = clientOf(fixture, { now: () => Date.now() + offMs });
    const reader = new Reader(client.subscribe());
    await isLive(reader);
    const sender = new Sender(fixture);
    for (let n = 0; n < 5; n++) {
      await sender.send(1);
      fixture.proxy.cutAll();
      expect((await client.execute("user.profile.get")).resultCode).toBe("ok");
      await until(() => reader.received.length >= sender.sent, "the events so far");
    }
    const outOfWindow = fixture.world.logged().split("TIMESTAMP_OUT_OF_WINDOW").length - 1;
    expect(outOfWindow).toBe(1);
    expect(reader.received).toEqual(sender.all);
  }
}, 60_000);

test("a revoked session ends the subscription, after the events before it", async () => {
  const fixture = await open();
  const reader = new Reader(clientOf(fixture).subscribe());
  await isLive(reader);
  const sender = new Sender(fixture);
  await sender.send(3);
  await fixture.world.revoke({ device_session_id: fixture.device.deviceSessionId });
  await reader.done;
  expect(reader.received).toEqual(sender.all);
  expect(reader.error).toMatchObject({ reason: "SESSION_REVOKED" });
  expect(reader.subscription.state).toBe("ended");
}, 60_000);

test("many listeners of one client share one stream", async () => {
  const fixture = await open();
  const client = clientOf(fixture);
  const readers = Array.from({ length: 50 }, () => new Reader(client.subscribe()));
  for (const reader of readers) await isLive(reader);
  expect(await metric(fixture.world.gateway, "sallyport_streams")).toBe(1);
  const sender = new Sender(fixture);
  await sender.send(20);
  for (const reader of readers) {
    await until(() => reader.received.length >= sender.sent, "all events");
    expect(reader.received).toEqual(sender.all);
  }
  for (const { subscription } of readers) subscription.close();
  await until(async () => (await metric(fixture.world.gateway, "sallyport_streams")) === 0, "the stream to close");
}, 60_000);
