import { afterEach, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { startGateway } from "../../src/app/gateway.ts";
import { reasonOf } from "../../src/client/errors.ts";
import type { Config } from "../../src/config/schema.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { outOfSequence, receivedSequence } from "../support/received-sequence.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";
import { clientEvent, PushServer } from "../unit/backend/support/push-server.ts";

/** A push feed that loses events: each gap must reach every client as `gateway.resync`. */

const RESTARTS = 50;
const EVENTS_BETWEEN = 10;

interface Fixture {
  readonly feed: PushServer;
  readonly world: World;
}

const open: Fixture[] = [];
async function openFixture(sendsCursors: boolean, config: Partial<Config> = {}): Promise<Fixture> {
  const feed = await Object.assign(new PushServer(), { sendsCursors }).start();
  const quick = { "push.backoff_min_ms": 1, "push.backoff_max_ms": 10 };
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

const [anyVariant = expect.unreachable()] = VARIANTS;
function push({ feed }: Fixture, device: Device, n: number): void {
  const payloadBytes = new TextEncoder().encode(JSON.stringify({ n }));
  feed.push(clientEvent({ userId: device.userId, eventId: `e-${device.userId}-${n}`, eventType: "count.up", payloadBytes }));
}

/** Kills the push server, runs `meanwhile`, and starts the server again. */
async function outage({ feed, world }: Fixture, meanwhile: () => unknown = () => {}): Promise<void> {
  const isUp = () => metric(world.gateway, "sallyport_push_feed_up");
  await feed.kill();
  await until(async () => (await isUp()) === 0, "the feed to be down");
  await meanwhile();
  await feed.start();
  await until(async () => (await isUp()) === 1, "the feed to be up");
}

describe("a backend without cursors", () => {
  test(`that restarts ${RESTARTS} times under load causes one resync per restart; no other event is missing or duplicated`, async () => {
    const fixture = await openFixture(false);
    const { world } = fixture;
    const device = await world.login();
    const subscribers = await Promise.all(VARIANTS.map((variant) => EventSubscriber.open(world.transport(variant), device)));
    let sent = 0;
    for (let restart = 0; restart < RESTARTS; restart++) {
      for (let n = 0; n < EVENTS_BETWEEN; n++) push(fixture, device, sent++);
      await outage(fixture, () => push(fixture, device, sent++));
    }
    push(fixture, device, sent);
    for (const subscriber of subscribers) {
      await until(() => receivedSequence(subscriber).includes(sent), "the last event");
      const received = receivedSequence(subscriber);
      expect(received.filter((each) => each === "resync")).toHaveLength(RESTARTS);
      expect(outOfSequence(received)).toEqual([]);
      expect(subscriber.ended).toBeUndefined();
      subscriber.leave();
    }
  }, 60_000);

  test("that loses a revocation: the streams of the revoked session end, others stay open", async () => {
    const fixture = await openFixture(false);
    const { world } = fixture;
    const [revoked, active] = [await world.login(), await world.login()];
    const revokedStreams = await Promise.all(
      VARIANTS.map((variant) => EventSubscriber.open(world.transport(variant), revoked)),
    );
    const activeStream = await EventSubscriber.open(world.transport(anyVariant), active);
    // The embedded backend revokes the session, but this push server never sends the revocation.
    await outage(fixture, () => world.revoke({ device_session_id: revoked.deviceSessionId }));
    for (const subscriber of revokedStreams) {
      await until(() => subscriber.ended !== undefined, "the stream to end");
      expect([receivedSequence(subscriber), subscriber.ended]).toEqual([["resync"], "SESSION_REVOKED"]);
    }
    expect((await EventSubscriber.open(world.transport(anyVariant), revoked)).ended).toBe("SESSION_REVOKED");
    expect([receivedSequence(activeStream), activeStream.ended]).toEqual([["resync"], undefined]);
    activeStream.leave();
  });
});

test("a backend that no longer has the cursor: streams get a resync, and no stream resumes from before", async () => {
  const fixture = await openFixture(true);
  const { feed, world } = fixture;
  const device = await world.login();
  const subscriber = await EventSubscriber.open(world.transport(anyVariant), device);
  push(fixture, device, 1);
  await until(() => receivedSequence(subscriber).length === 1, "the first event");
  const before = subscriber.lastId;
  await outage(fixture, () => {
    push(fixture, device, 2);
    feed.prunedTo = feed.log.length;
  });
  // The feed is up as soon as the backend answers, and the answer may be OUT_OF_RANGE.
  await until(() => feed.subscriptions.at(-1)?.cursor === "", "the feed to start at new events");
  push(fixture, device, 3);
  await until(() => receivedSequence(subscriber).includes(3), "the last event");
  expect(receivedSequence(subscriber)).toEqual([1, "resync", 3]);
  const late = await EventSubscriber.open(world.transport(anyVariant), device, JSON.stringify({ resume_after: before }));
  await until(() => receivedSequence(late).length > 0, "the resync");
  expect(receivedSequence(late)).toEqual(["resync"]);
  for (const each of [subscriber, late]) each.leave();
});

/** The result code or refusal reason of a command. */
async function command({ world }: Fixture, device: Device): Promise<string> {
  const client = createClient(Gateway, world.transport(anyVariant));
  const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
  return client.executeCommand(request).then(
    ({ envelope }) => envelope?.resultCode ?? "",
    (error) => reasonOf(error) ?? String(error),
  );
}

test("after the feed was down longer than its grace, cached sessions are looked up again", async () => {
  const fixture = await openFixture(true, { "push.grace_ms": 100 });
  const { world } = fixture;
  const [repeating, idle, active] = [await world.login(), await world.login(), await world.login()];
  for (const device of [repeating, idle, active]) expect(await command(fixture, device)).toBe("ok");
  await outage(fixture, async () => {
    // During the grace, the cached sessions are still used.
    for (const { deviceSessionId } of [repeating, idle]) await world.revoke({ device_session_id: deviceSessionId });
    await until(async () => (await command(fixture, repeating)) === "SESSION_REVOKED", "the cache to be bypassed");
  });
  // The feed is up again, but the revocation has not arrived; here it never does.
  expect(await command(fixture, idle)).toBe("SESSION_REVOKED");
  expect(await command(fixture, active)).toBe("ok");
});

test("when the feed comes up for the first time, open streams get a resync and their sessions are looked up again", async () => {
  const { feed, world } = await openFixture(true);
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const [revoked, device] = [await world.login(), await world.login()];
  const gateway = await startGateway({ config: world.config, log: SILENT_LOG });
  try {
    const transport = anyVariant.open(gateway.edgeUrl);
    const [revokedStream, activeStream] = [
      await EventSubscriber.open(transport, revoked),
      await EventSubscriber.open(transport, device),
    ];
    await world.revoke({ device_session_id: revoked.deviceSessionId });
    gate.resolve();
    await until(() => revokedStream.ended !== undefined, "the stream to end");
    expect([receivedSequence(revokedStream), revokedStream.ended]).toEqual([["resync"], "SESSION_REVOKED"]);
    expect([receivedSequence(activeStream), activeStream.ended]).toEqual([["resync"], undefined]);
    activeStream.leave();
  } finally {
    await gateway.stop();
  }
});
