import { afterEach, beforeEach, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";
import { clientEvent, PushServer, rawKind } from "../unit/backend/support/push-server.ts";

/** A gateway whose push feed delivers events that break the contract. */

const HALF_PAIR = new Uint8Array([0xed, 0xa0, 0x80]);
const INVALIDATION = 3;

let push: PushServer;
let world: World;
beforeEach(async () => {
  push = await new PushServer().start();
  world = await openWorld({ "push.url": push.url, "push.grace_ms": 200, "push.backoff_max_ms": 100 });
});
afterEach(async () => {
  await world.close();
  await push.kill();
});

async function subscribe(device: Device): Promise<EventSubscriber> {
  const [variant] = VARIANTS;
  if (variant === undefined) throw new Error("no variant");
  return EventSubscriber.open(world.transport(variant), device);
}

const receivedTypes = ({ events }: EventSubscriber) => events.map(({ envelope }) => envelope?.eventType);
const readyz = async () => (await fetch(`${world.gateway.adminUrl}/readyz`)).status;

test("an undecodable revocation ends the session that the backend has revoked, and sends a resync to its user only", async () => {
  const [revoked, active, other] = [await world.login(), await world.login(), await world.login()];
  const streams = [await subscribe(revoked), await subscribe(active), await subscribe(other)] as const;
  // Sets the session's state in the backend. This gateway is not connected to the backend's own feed.
  await world.revoke({ device_session_id: revoked.deviceSessionId });
  push.push(rawKind(INVALIDATION, [2, revoked.deviceSessionId], [3, HALF_PAIR]));
  push.push(rawKind(INVALIDATION, [1, active.userId], [3, HALF_PAIR]));
  push.push(clientEvent({ userId: active.userId, eventType: "chat.message" }));
  push.push(clientEvent({ userId: other.userId, eventType: "chat.message" }));
  await until(() => streams[0].ended === "SESSION_REVOKED", "the revoked session's stream to end");
  await until(() => receivedTypes(streams[1]).includes("chat.message"), "the next event");
  await until(() => receivedTypes(streams[2]).includes("chat.message"), "the event of the other user");
  expect(receivedTypes(streams[1])).toEqual(["gateway.server_time", "gateway.resync", "chat.message"]);
  expect(receivedTypes(streams[2])).toEqual(["gateway.server_time", "chat.message"]);
  expect(await metric(world.gateway, "sallyport_events_dropped_total", '{reason="bad_reason"}')).toBe(2);
  for (const stream of streams) stream.leave();
});

test("a feed that repeatedly connects and fails is not ready", async () => {
  push.failWith = new ConnectError("the database is away", Code.Unavailable);
  push.cut();
  await until(async () => (await readyz()) === 503, "the grace period to pass");
  const subscriptionsMin = push.subscriptions.length + 5;
  await until(async () => {
    expect(await readyz()).toBe(503);
    return push.subscriptions.length > subscriptionsMin;
  }, "five more attempts");
  push.failWith = undefined;
  await until(async () => (await readyz()) === 200, "the feed to be back");
});
