import { afterAll, beforeAll, expect, test } from "bun:test";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { metric, openWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld({ "streams.per_session_max": 2, "streams.heartbeat_ms": 1000, "streams.age_ms": 2500 });
});
afterAll(() => world.close());

test.each(VARIANTS)("$name: a stream above the session limit is refused, and the open ones stay open", async (variant) => {
  const device = await world.login();
  const older = [
    await EventSubscriber.open(world.transport(variant), device),
    await EventSubscriber.open(world.transport(variant), device),
  ];
  const newer = await EventSubscriber.open(world.transport(variant), device);
  expect([newer.ended, newer.refusalMetadata]).toEqual(["TOO_MANY_STREAMS", { scope: "session" }]);
  await world.push({ user_id: device.userId, event_type: "still.there", payload: {} });
  for (const subscriber of older) await until(() => subscriber.payloads("still.there").length === 1, "the event");
  for (const subscriber of older) subscriber.leave();
});

test("every variant gets the same heartbeats until its stream expires, and no stream remains", async () => {
  const devices = await Promise.all(VARIANTS.map(() => world.login()));
  const subscribers = await Promise.all(
    VARIANTS.map((variant, at) => EventSubscriber.open(world.transport(variant), devices[at] ?? expect.unreachable())),
  );
  for (const subscriber of subscribers) {
    await until(() => subscriber.ended !== undefined, "the stream to expire", 8000);
    expect(subscriber.ended).toBe("STREAM_EXPIRED");
  }
  const heartbeats = subscribers.map(({ events }) =>
    events.filter(({ envelope }) => envelope?.eventType === "gateway.heartbeat"),
  );
  const [first = []] = heartbeats;
  expect(first.length).toBeGreaterThanOrEqual(1);
  for (const each of heartbeats) expect(each[0]).toEqual(first[0] ?? expect.unreachable());
  expect(first[0]?.envelope?.audience).toBe("all");
  await until(async () => (await metric(world.gateway, "sallyport_streams")) === 0, "the streams to be gone");
}, 60_000);
