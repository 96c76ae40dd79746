import { afterEach, describe, expect, test } from "bun:test";
import { startGateway } from "../../../src/app/gateway.ts";
import { SallyportClient, type SallyportClientOptions } from "../../../src/client/client.ts";
import { GatewayError } from "../../../src/client/errors.ts";
import { GatewayKeys } from "../../../src/client/gateway-keys.ts";
import type { SubscribeOptions, Subscription } from "../../../src/client/subscription.ts";
import type { SubscriptionEvent } from "../../../src/client/subscription-event.ts";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import type { GatewayEvent } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { type ForgedRefusal, forgedAnswer, frameOf, HostileTerminator } from "../../support/hostile-terminator.ts";
import { RunningClock } from "../../support/running-clock.ts";
import { SEED } from "../../support/serve-settings.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";
import { until } from "../../support/until.ts";
import { type Device, openWorld, type World } from "../../support/world.ts";

/** A hostile TLS terminator against `subscribe`: every attack is caught, or changes nothing that the app sees. */

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

class Fixture {
  readonly world: World;
  readonly device: Device;
  readonly proxy: HostileTerminator;
  sent = 0;

  private constructor(world: World, device: Device) {
    this.world = world;
    this.device = device;
    this.proxy = new HostileTerminator(world.gateway.edgeUrl);
    opened.defer(() => this.proxy.close());
  }

  static async open(clock: Clock = systemClock): Promise<Fixture> {
    const world = await openWorld({ "keys.current": SEED, "streams.heartbeat_ms": 1000 }, { clock });
    opened.defer(() => world.close());
    return new Fixture(world, await world.login());
  }

  client(options: Partial<SallyportClientOptions> = {}): SallyportClient {
    const { deviceSessionId, deviceKey } = this.device;
    const streams = { reconnectMs: 60, firstEventMs: 1000, transports: ["fetch"] } as const;
    return new SallyportClient({ baseUrl: this.proxy.url, credentials: { deviceSessionId, deviceKey }, streams, ...options });
  }

  async listen(options: SubscribeOptions = {}, client = this.client()): Promise<Listening> {
    const listening = new Listening(client.subscribe(options));
    await listening.isLive();
    return listening;
  }

  async send(count = 1): Promise<void> {
    for (let left = count; left > 0; left--) {
      await this.world.push({ user_id: this.device.userId, event_type: "test.number", payload: { n: this.sent++ } });
    }
  }

  /** All events arrived once and in order, and nothing else. */
  async arrived(listening: Listening): Promise<void> {
    await until(() => listening.numbers.length >= this.sent, "all events", 20_000);
    expect(listening.numbers).toEqual(Array.from({ length: this.sent }, (_, n) => n));
    expect(listening.resyncs).toBe(0);
  }
}

class Listening {
  readonly subscription: Subscription;
  readonly events: SubscriptionEvent[] = [];
  /** The errors with which streams ended. */
  readonly errors: unknown[] = [];
  error: unknown;
  readonly done: Promise<void>;

  constructor(subscription: Subscription) {
    this.subscription = subscription;
    opened.defer(() => subscription.close());
    subscription.onState((_, { error }) => {
      if (error !== undefined) this.errors.push(error);
    });
    this.done = this.#read();
  }

  get numbers(): number[] {
    return this.events.flatMap(({ kind, payload }) => (kind === "event" ? [Number(Object(payload).n)] : []));
  }

  get resyncs(): number {
    return this.events.filter(({ kind }) => kind === "resync").length;
  }

  isLive(): Promise<void> {
    return until(() => this.subscription.state === "live", "the subscription to be live");
  }

  /** The check of the first answer that was not trusted. */
  async untrusted(): Promise<unknown> {
    const checks = () => this.errors.flatMap((error) => Object(error).check ?? []);
    await until(() => checks().length > 0, "an answer that is not trusted");
    return checks()[0];
  }

  async #read(): Promise<void> {
    try {
      for await (const event of this.subscription) this.events.push(event);
    } catch (error) {
      this.error = error;
    }
  }
}

/** The frame that ends a stream with a forged refusal. */
async function endFrame(refusal: ForgedRefusal): Promise<Uint8Array> {
  return new Uint8Array(await forgedAnswer("SubscribeEvents", refusal).arrayBuffer());
}

const isBackendEvent = (event: GatewayEvent | undefined) => event?.envelope?.eventType === "test.number";
const isType = (event: GatewayEvent | undefined, type: string) => event?.envelope?.eventType === type;

describe("replays", () => {
  test("events replayed at once, later, and in later streams arrive once", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    const end = await endFrame({ reason: "SHUTTING_DOWN", code: "unavailable" });
    let isCut = false;
    const ids = new Set<string>();
    proxy.hostility.frames = (frame, event) => {
      // Events that the client has. It cannot notice the order of events that it never had: proto/client.md, "Keep a stream".
      const had = proxy.recorded.filter(({ event: { envelope } }) => ids.has(envelope?.eventId ?? ""));
      const old = had.map((each) => each.frame).toReversed();
      if (isType(event, "gateway.server_time")) return [frame, ...old];
      return isCut ? [frame, ...old, end] : [frame, frame, ...old];
    };
    const listening = await fixture.listen();
    for (let round = 0; round < 6; round++) {
      isCut = round % 2 === 1;
      await fixture.send(3);
      await fixture.arrived(listening);
      await listening.isLive();
      for (const { eventId } of listening.events) ids.add(eventId);
    }
    expect(proxy.calls.filter((call) => call === "SubscribeEvents").length).toBeGreaterThan(3);
  }, 60_000);

  test("the first event of another stream of the session starts nothing again", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    const other = fixture.client().openStream({ resumeAfter: "an-unknown-event" });
    await other.next();
    await other.return();
    const foreign = proxy.recorded.find(({ event }) => isType(event, "gateway.server_time"))?.frame;
    if (foreign === undefined) throw new Error("no event was recorded");
    proxy.hostility.frames = (frame) => [frame, foreign];
    const listening = await fixture.listen({ gatewayEvents: true });
    await fixture.send(3);
    await fixture.arrived(listening);
    expect(listening.events.filter(({ eventType }) => eventType === "gateway.server_time").length).toBe(1);
  });

  test("old events spliced into a new stream of a restarted app, and into a resumed one, are dropped", async () => {
    const clock = new RunningClock(-20 * 60_000);
    const fixture = await Fixture.open(clock);
    const { proxy } = fixture;
    const earlier = await fixture.listen();
    await fixture.send(5);
    await fixture.arrived(earlier);
    earlier.subscription.close();
    const old = proxy.recorded.filter(({ event }) => isBackendEvent(event)).map(({ frame }) => frame);
    expect(old.length).toBe(5);
    clock.step(20 * 60_000);
    proxy.hostility.frames = (frame) => [frame, ...old];
    const restarted = await fixture.listen();
    await fixture.send(2);
    await until(() => restarted.numbers.length >= 2, "the new events");
    // The second stream resumes.
    proxy.hostility.frames = (frame, event) => (isType(event, "gateway.heartbeat") ? [] : [frame, ...old]);
    await until(() => proxy.calls.filter((call) => call === "SubscribeEvents").length > 3, "the next stream");
    proxy.hostility.frames = (frame) => [frame, ...old];
    await restarted.isLive();
    await fixture.send(2);
    await until(() => restarted.numbers.length >= 4, "the new events");
    expect(restarted.numbers).toEqual([5, 6, 7, 8]);
  }, 60_000);

  test("a whole earlier stream played again is not trusted", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    const earlier = await fixture.listen();
    await fixture.send(3);
    await fixture.arrived(earlier);
    earlier.subscription.close();
    const old = Buffer.concat(proxy.recorded.map(({ frame }) => frame));
    let isHostile = true;
    proxy.hostility.answer = (call) =>
      isHostile && call === "SubscribeEvents"
        ? new Response(old, { headers: { "content-type": "application/connect+proto" } })
        : undefined;
    const listening = new Listening(fixture.client().subscribe());
    expect(await listening.untrusted()).toBe("request_id");
    isHostile = false;
    await listening.isLive();
    await fixture.send(1);
    await until(() => listening.numbers.length > 0, "the new event");
    expect(listening.numbers).toEqual([3]);
  });
});

describe("swaps", () => {
  const swaps: [name: string, check: string, swap: (events: GatewayEvent, other: GatewayEvent) => GatewayEvent][] = [
    ["the payload of an event", "payload_hash", (event, other) => ({ ...event, payloadBytes: other.payloadBytes })],
    ["the signature of an event", "signature", (event, other) => ({ ...event, signature: other.signature })],
    [
      "the envelope of an event",
      "payload_hash",
      (event, other) => ({ ...event, ...(other.envelope && { envelope: other.envelope }) }),
    ],
    ["an event for an event of another user", "audience", (_, other) => other],
  ];

  test.each(swaps)(
    "%s: is caught, the stream resumes, and every event arrives",
    async (_, check, swap) => {
      const fixture = await Fixture.open();
      const { proxy, world } = fixture;
      const other = await world.login();
      const spy = fixture.client({ credentials: other }).openStream();
      await spy.next();
      await world.push({ user_id: other.userId, event_type: "test.number", payload: { n: 666 } });
      for (let read = await spy.next(); read.value?.eventType !== "test.number"; read = await spy.next());
      const foreign = proxy.recorded.find(({ event }) => isBackendEvent(event))?.event;
      if (foreign === undefined) throw new Error("no event was recorded");
      const listening = await fixture.listen();
      let swapped = 0;
      proxy.hostility.frames = (frame, event) =>
        event !== undefined && isBackendEvent(event) && event !== foreign && swapped++ < 2
          ? [frameOf(swap(event, foreign))]
          : [frame];
      await fixture.send(5);
      expect(await listening.untrusted()).toBe(check);
      await fixture.arrived(listening);
      await spy.return();
    },
    60_000,
  );

  test("keys of another gateway, and no keys at all: nothing is delivered; with the right keys, everything is", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    const foreign = await openWorld();
    opened.defer(() => foreign.close());
    const keys = await (await fetch(`${foreign.gateway.edgeUrl}/.well-known/jwks.json`)).text();
    let served: string | undefined = keys;
    proxy.hostility.answer = (call) =>
      call === "/.well-known/jwks.json" && served !== undefined ? new Response(served) : undefined;
    const clock = new RunningClock();
    const gatewayKeys = new GatewayKeys(proxy.url, { monotonic: () => clock.monotonic() });
    const listening = new Listening(fixture.client({ keys: gatewayKeys }).subscribe());
    expect(await listening.untrusted()).toBe("key_unknown");
    served = "{}";
    clock.advance(20_000);
    await until(() => proxy.calls.filter((call) => call.endsWith("jwks.json")).length > 1, "the keys to be fetched again");
    expect(listening.subscription.state).not.toBe("live");
    served = undefined;
    clock.advance(20_000);
    await listening.isLive();
    await fixture.send(3);
    await fixture.arrived(listening);
  }, 60_000);

  test("a forged key set is refused by pinned key ids", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    const foreign = await startGateway({
      config: { ...fixture.world.config, "keys.current": Buffer.alloc(32, 7).toString("base64") },
      log: SILENT_LOG,
    });
    opened.defer(async () => void (await foreign.stop()));
    const { keys } = await (await fetch(`${fixture.world.gateway.edgeUrl}/.well-known/jwks.json`)).json();
    // The terminator sends everything to a gateway with its own keys, and publishes those keys.
    proxy.moveTo(foreign.edgeUrl);
    const pinned = new GatewayKeys(proxy.url, { pinnedKeyIds: keys.map(({ kid }: { kid: string }) => kid) });
    const listening = new Listening(fixture.client({ keys: pinned }).subscribe());
    expect(await listening.untrusted()).toBe("key_unknown");
    proxy.moveTo(fixture.world.gateway.edgeUrl);
    await listening.isLive();
    await fixture.send(3);
    await fixture.arrived(listening);
  }, 60_000);
});

describe("withheld", () => {
  test("everything after the first event: the silence is noticed, and nothing is lost", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    const listening = await fixture.listen();
    await fixture.send(2);
    await fixture.arrived(listening);
    proxy.hostility.frames = (frame, event) => (isType(event, "gateway.server_time") ? [frame] : []);
    await fixture.send(3);
    await until(() => listening.subscription.state !== "live", "the silence to be noticed");
    proxy.hostility.frames = undefined;
    await fixture.arrived(listening);
  }, 60_000);

  test("the heartbeats alone: the client reconnects again and again, and nothing is lost or doubled", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    proxy.hostility.frames = (frame, event) => (isType(event, "gateway.heartbeat") ? [] : [frame]);
    const listening = await fixture.listen();
    const streams = () => proxy.calls.filter((call) => call === "SubscribeEvents").length;
    await until(() => streams() >= 3, "the client to reconnect");
    await fixture.send(5);
    await fixture.arrived(listening);
  }, 60_000);

  test("the heartbeats, and old ones sent instead", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    const listening = await fixture.listen();
    await until(() => proxy.recorded.filter(({ event }) => isType(event, "gateway.heartbeat")).length >= 2, "heartbeats");
    const old = proxy.recorded.filter(({ event }) => isType(event, "gateway.heartbeat")).map(({ frame }) => frame);
    proxy.hostility.frames = (frame, event) => (isType(event, "gateway.heartbeat") ? old : [frame]);
    await until(() => listening.subscription.state !== "live", "the silence to be noticed");
    proxy.hostility.frames = undefined;
    await listening.isLive();
    await fixture.send(2);
    await fixture.arrived(listening);
  }, 60_000);

  test("the event gateway.resync: the app gets a resync nevertheless", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    proxy.hostility.frames = (frame, event) => (isType(event, "gateway.resync") ? [] : [frame]);
    const listening = await fixture.listen({ resumeAfter: "an-unknown-event" });
    await fixture.send(1);
    await until(() => listening.numbers.length === 1, "the event");
    expect(listening.events.map(({ kind }) => kind)).toEqual(["resync", "event"]);
  });
});

describe("forged", () => {
  const forges = (fixture: Fixture, refusal: ForgedRefusal, times: number) => {
    let left = times;
    fixture.proxy.hostility.answer = (call) =>
      call === "SubscribeEvents" && left-- > 0 ? forgedAnswer(call, refusal) : undefined;
  };

  test.each([
    { reason: "SESSION_REVOKED", code: "failed_precondition" },
    { reason: "SESSION_NOT_FOUND", code: "unauthenticated" },
    { reason: "SIGNATURE_INVALID", code: "unauthenticated" },
  ])(
    "$reason, twice: the subscription goes on",
    async (refusal) => {
      const fixture = await Fixture.open();
      forges(fixture, refusal, 2);
      const listening = await fixture.listen();
      await fixture.send(3);
      await fixture.arrived(listening);
      expect(listening.errors.length).toBe(2);
    },
    60_000,
  );

  test("SESSION_REVOKED in the middle of a stream: the stream resumes", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    const listening = await fixture.listen();
    const end = await endFrame({ reason: "SESSION_REVOKED", code: "failed_precondition" });
    let left = 3;
    proxy.hostility.frames = (frame, event) => (isBackendEvent(event) && left-- > 0 ? [frame, end] : [frame]);
    for (let n = 0; n < 6; n++) {
      await fixture.send(1);
      await fixture.arrived(listening);
      await listening.isLive();
    }
    expect(listening.subscription.state).toBe("live");
  }, 60_000);

  test("SESSION_REVOKED for ever: the subscription ends with an error, and a new one works when the attack is over", async () => {
    const fixture = await Fixture.open();
    forges(fixture, { reason: "SESSION_REVOKED", code: "failed_precondition" }, Number.POSITIVE_INFINITY);
    const client = fixture.client();
    const attacked = new Listening(client.subscribe());
    await attacked.done;
    expect(attacked.error).toBeInstanceOf(GatewayError);
    expect(attacked.error).toMatchObject({ reason: "SESSION_REVOKED" });
    fixture.proxy.hostility.answer = undefined;
    const listening = await fixture.listen({}, client);
    await fixture.send(2);
    await fixture.arrived(listening);
  }, 60_000);

  test("delays of RetryInfo that are negative or zero cause no flood of requests", async () => {
    const fixture = await Fixture.open();
    for (const retrySeconds of [0n, -5n, -(2n ** 62n)]) {
      forges(fixture, { reason: "RATE_LIMITED", code: "resource_exhausted", retrySeconds }, 6);
      const before = fixture.proxy.calls.length;
      const startedAtMs = performance.now();
      const listening = await fixture.listen();
      expect(performance.now() - startedAtMs).toBeGreaterThan(6 * 45);
      expect(fixture.proxy.calls.slice(before).filter((call) => call === "SubscribeEvents").length).toBe(7);
      listening.subscription.close();
    }
  }, 60_000);

  test.each([0, 55_000, -55_000, 3_600_000, -3_600_000, 86_000_000, 1e15, Number.NaN])(
    "clock refusals that are %d ms off: the clock stays right, and a command runs once",
    async (offMs) => {
      const fixture = await Fixture.open();
      const { world } = fixture;
      const metadata = { server_time_ms: String(Date.now() + offMs), window_ms: "60000" };
      forges(fixture, { reason: "TIMESTAMP_OUT_OF_WINDOW", code: "failed_precondition", metadata }, 5);
      const client = fixture.client();
      const listening = await fixture.listen({}, client);
      await fixture.send(2);
      await fixture.arrived(listening);
      const path = "/api/v1/user/rooms/lobby/messages";
      const before = world.faults.calls(path);
      expect((await client.execute("chat.message.send", { room_id: "lobby", text: "once" })).resultCode).toBe("ok");
      expect(world.faults.calls(path) - before).toBe(1);
    },
    60_000,
  );

  test("garbage instead of frames: the stream resumes", async () => {
    const fixture = await Fixture.open();
    const listening = await fixture.listen();
    const garbage = [
      new Uint8Array(5000).fill(255),
      Uint8Array.of(0, 255, 255, 255, 255, 1, 2, 3),
      Uint8Array.of(1, 0, 0, 0, 1, 9),
      Uint8Array.of(0, 0, 0, 0, 2, 255, 255),
      Uint8Array.of(2, 0, 0, 0, 2, 123, 123),
      Uint8Array.of(2, 0, 0, 0, 2, 123, 125),
      Uint8Array.of(0, 0, 0, 0, 0),
    ];
    fixture.proxy.hostility.frames = (frame, event) => {
      const junk = isBackendEvent(event) ? garbage.shift() : undefined;
      return junk === undefined ? [frame] : [junk];
    };
    for (let n = 0; n < 8; n++) {
      await fixture.send(1);
      await fixture.arrived(listening);
    }
    expect(garbage.length).toBe(0);
  }, 60_000);

  test("a flood of duplicates: they are dropped, and do not count as life", async () => {
    const fixture = await Fixture.open();
    const { proxy } = fixture;
    const listening = await fixture.listen();
    await fixture.send(1);
    await fixture.arrived(listening);
    proxy.hostility.frames = (frame, event) =>
      isType(event, "gateway.heartbeat") ? Array<Uint8Array>(2000).fill(proxy.recorded[1]?.frame ?? frame) : [frame];
    await until(() => listening.subscription.state !== "live", "the stream to count as silent", 20_000);
    proxy.hostility.frames = undefined;
    await listening.isLive();
    await fixture.send(1);
    await fixture.arrived(listening);
  }, 60_000);
});

describe("commands", () => {
  const PATH = "/api/v1/user/rooms/lobby/messages";
  const ROOM = { room_id: "lobby", text: "once" };

  test("sent many times, at once and later, run once", async () => {
    const fixture = await Fixture.open();
    const { proxy, world } = fixture;
    const captured: Uint8Array<ArrayBuffer>[] = [];
    proxy.hostility.answer = async (call, body) => {
      if (call !== "ExecuteCommand") return undefined;
      captured.push(body);
      const copies = await Promise.all(Array.from({ length: 5 }, () => proxy.forward(call, body)));
      return copies.find(({ ok }) => ok);
    };
    const client = fixture.client();
    const before = world.faults.calls(PATH);
    for (let n = 0; n < 5; n++) expect((await client.execute("chat.message.send", ROOM)).resultCode).toBe("ok");
    for (const body of captured)
      for (let n = 0; n < 3; n++) expect((await proxy.forward("ExecuteCommand", body)).ok).toBe(false);
    expect(world.faults.calls(PATH) - before).toBe(5);
  }, 60_000);

  test("answered with the answer of another, or with a changed one, are not trusted, and with a key run once", async () => {
    const fixture = await Fixture.open();
    const { proxy, world } = fixture;
    const client = fixture.client({ retry: false });
    const answers: Uint8Array<ArrayBuffer>[] = [];
    proxy.hostility.result = (body) => {
      answers.push(body);
      return answers[0] ?? body;
    };
    await client.execute("chat.message.send", ROOM);
    expect(await client.execute("chat.message.send", ROOM).catch((error: unknown) => error)).toMatchObject({
      check: "request_id",
    });
    proxy.hostility.result = (body) => {
      const changed = Uint8Array.from(body);
      changed[changed.length - 3] = (changed.at(-3) ?? 0) ^ 1;
      return changed;
    };
    expect(await client.execute("chat.message.send", ROOM).catch((error: unknown) => error)).toMatchObject({
      code: expect.any(String),
    });
    const before = world.faults.calls(PATH);
    let left = 3;
    proxy.hostility.result = (body) => (left-- > 0 ? (answers[0] ?? body) : body);
    const patient = fixture.client();
    const { resultCode } = await patient.execute("chat.message.send", ROOM, { idempotencyKey: "key-12345678" });
    expect([resultCode, world.faults.calls(PATH) - before]).toEqual(["ok", 1]);
  }, 60_000);
});
