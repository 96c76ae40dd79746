import { afterEach, beforeEach, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";
import { clientEvent, PushServer, rawKind } from "../unit/backend/support/push-server.ts";

/** A gateway whose push feed brings what breaks the contract. */

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

async function listen(device: Device): Promise<EventSubscriber> {
  const [variant] = VARIANTS;
  if (variant === undefined) throw new Error("there is no variant");
  return EventSubscriber.open(world.transport(variant), device);
}

const told = ({ events }: EventSubscriber) => events.map(({ envelope }) => envelope?.eventType);
const readyz = async () => (await fetch(`${world.gateway.adminUrl}/readyz`)).status;

test("a revocation that cannot be decoded ends the session that the backend has revoked, and tells its user alone", async () => {
  const [revoked, kept, other] = [await world.login(), await world.login(), await world.login()];
  const streams = [await listen(revoked), await listen(kept), await listen(other)] as const;
  // The backend's own feed says so too, but nobody here listens to it.
  await world.revoke({ device_session_id: revoked.deviceSessionId });
  push.push(rawKind(INVALIDATION, [2, revoked.deviceSessionId], [3, HALF_PAIR]));
  push.push(rawKind(INVALIDATION, [1, kept.userId], [3, HALF_PAIR]));
  push.push(clientEvent({ userId: kept.userId, eventType: "chat.message" }));
  push.push(clientEvent({ userId: other.userId, eventType: "chat.message" }));
  await until(() => streams[0].ended === "SESSION_REVOKED", "the revoked session's stream to end");
  await until(() => told(streams[1]).includes("chat.message"), "what follows");
  await until(() => told(streams[2]).includes("chat.message"), "what follows, for others");
  expect(told(streams[1])).toEqual(["gateway.server_time", "gateway.resync", "chat.message"]);
  expect(told(streams[2])).toEqual(["gateway.server_time", "chat.message"]);
  expect(await metric(world.gateway, "sallyport_events_dropped_total", '{reason="bad_reason"}')).toBe(2);
  for (const stream of streams) stream.leave();
});

test("a feed that stands again and again and brings nothing is not ready", async () => {
  push.failWith = new ConnectError("the database is away", Code.Unavailable);
  push.cut();
  await until(async () => (await readyz()) === 503, "the grace to pass");
  const [from, until5] = [push.subscriptions.length, push.subscriptions.length + 5];
  await until(async () => {
    expect(await readyz()).toBe(503);
    return push.subscriptions.length > until5;
  }, `more streams than ${from}`);
  push.failWith = undefined;
  await until(async () => (await readyz()) === 200, "the feed to be back");
});
