import { afterAll, beforeAll, expect, test } from "bun:test";
import { Listener } from "../support/listener.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { metric, openWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld({ "push.backoff_min_ms": 1, "push.backoff_max_ms": 20 });
});
afterAll(() => world.close());

const EVENTS = 1000;
const RESTARTS = 50;

test("the backend's push stream is killed and restarted under load: nothing is lost, nothing comes twice", async () => {
  const device = await world.login();
  const listeners = await Promise.all(VARIANTS.map((variant) => Listener.open(world.transport(variant), device)));
  let sent = 0;
  const load = (async () => {
    for (; sent < EVENTS; sent++) await world.push({ user_id: device.userId, event_type: "count.up", payload: { n: sent } });
  })();
  for (let restart = 1; restart <= RESTARTS; restart++) {
    await until(() => sent >= (restart * EVENTS) / (RESTARTS + 2), "the load to go on");
    await world.backend.stopPush();
    await until(async () => (await metric(world.gateway, "sallyport_push_feed_up")) === 0, "the feed to notice");
    await world.backend.startPush();
    await until(async () => (await metric(world.gateway, "sallyport_push_feed_up")) === 1, "the feed to be back");
  }
  await load;
  const expected = Array.from({ length: EVENTS }, (_, n) => ({ n }));
  for (const listener of listeners) {
    await until(() => listener.payloads("count.up").length >= EVENTS, "every event");
    expect(listener.payloads("count.up")).toEqual(expected);
    expect(listener.ended).toBeUndefined();
    listener.leave();
  }
  expect(await metric(world.gateway, "sallyport_push_feed_reconnects_total")).toBeGreaterThanOrEqual(RESTARTS);
  expect(await metric(world.gateway, "sallyport_push_feed_gaps_total")).toBe(0);
}, 60_000);

test("a revocation during the outage ends the stream after it", async () => {
  const device = await world.login();
  const [variant] = VARIANTS;
  const listener = await Listener.open(world.transport(variant ?? expect.unreachable()), device);
  await world.backend.stopPush();
  await world.revoke({ device_session_id: device.deviceSessionId });
  expect(listener.ended).toBeUndefined();
  await world.backend.startPush();
  await until(() => listener.ended !== undefined, "the stream to end");
  expect(listener.ended).toBe("SESSION_REVOKED");
});
