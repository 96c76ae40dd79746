import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { metric, openWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const numbers = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));

describe("events", () => {
  test("reach all streams of their user in order, in every variant, and no other user's", async () => {
    const [ada, bob] = [await world.login(), await world.login()];
    const adas = await Promise.all(VARIANTS.map((variant) => EventSubscriber.open(world.transport(variant), ada)));
    const bobs = await Promise.all(VARIANTS.map((variant) => EventSubscriber.open(world.transport(variant), bob)));
    for (const payload of numbers(100)) await world.push({ user_id: ada.userId, event_type: "count.up", payload });
    await world.push({ user_id: bob.userId, event_type: "count.up", payload: { n: "for Bob" } });
    for (const subscriber of adas) {
      await until(() => subscriber.payloads("count.up").length >= 100, "all of Ada's events");
      expect(subscriber.payloads("count.up")).toEqual(numbers(100));
      expect(new Set(subscriber.events.map(({ envelope }) => envelope?.eventId)).size).toBe(101);
    }
    for (const subscriber of bobs) {
      await until(() => subscriber.payloads("count.up").length >= 1, "Bob's event");
      expect(subscriber.payloads("count.up")).toEqual([{ n: "for Bob" }]);
    }
    for (const subscriber of [...adas, ...bobs]) subscriber.leave();
  });

  test("for one session do not reach the user's other sessions", async () => {
    const [phone, tablet] = [await world.login("ada@example.com"), await world.login("ada@example.com")];
    expect(phone.userId).toBe(tablet.userId);
    const [first] = VARIANTS;
    if (first === undefined) throw new Error("there are no variants");
    const subscribers = await Promise.all(
      [phone, tablet].map((device) => EventSubscriber.open(world.transport(first), device)),
    );
    await world.push({ device_session_id: phone.deviceSessionId, event_type: "to.one", payload: {} });
    await world.push({ user_id: phone.userId, event_type: "to.all", payload: {} });
    for (const subscriber of subscribers) await until(() => subscriber.payloads("to.all").length === 1, "the event for both");
    expect(subscribers.map((subscriber) => subscriber.payloads("to.one").length)).toEqual([1, 0]);
    for (const subscriber of subscribers) subscriber.leave();
  });

  test("begin with gateway.server_time, for this session and request", async () => {
    const device = await world.login();
    for (const variant of VARIANTS) {
      const subscriber = await EventSubscriber.open(world.transport(variant), device);
      const [first] = subscriber.events;
      expect(first?.envelope?.eventType).toBe("gateway.server_time");
      expect(first?.envelope?.audience).toBe(`session:${device.deviceSessionId}`);
      expect(subscriber.payloads("gateway.server_time")).toMatchObject([
        { user_id: device.userId, heartbeat_interval_ms: 25_000, resumed: false },
      ]);
      subscriber.leave();
    }
  });

  test("stop when the client disconnects, and no stream remains", async () => {
    const device = await world.login();
    const before = await metric(world.gateway, "sallyport_streams");
    const subscribers = await Promise.all(VARIANTS.map((variant) => EventSubscriber.open(world.transport(variant), device)));
    expect(await metric(world.gateway, "sallyport_streams")).toBe(before + subscribers.length);
    for (const subscriber of subscribers) subscriber.leave();
    await until(async () => (await metric(world.gateway, "sallyport_streams")) === before, "the streams to end");
  });
});

describe("a revocation", () => {
  test("of a session ends the streams of that session only, in every variant", async () => {
    const active = await world.login("eve@example.com");
    for (const variant of VARIANTS) {
      const revoked = await world.login("eve@example.com");
      expect(revoked.userId).toBe(active.userId);
      const revokedStream = await EventSubscriber.open(world.transport(variant), revoked);
      const activeStream = await EventSubscriber.open(world.transport(variant), active);
      await world.revoke({ device_session_id: revoked.deviceSessionId });
      await until(() => revokedStream.ended !== undefined, "the stream to end");
      expect(revokedStream.ended).toBe("SESSION_REVOKED");
      await world.push({ user_id: active.userId, event_type: "after.revocation", payload: {} });
      await until(() => activeStream.payloads("after.revocation").length === 1, "an event on the other session's stream");
      expect(activeStream.ended).toBeUndefined();
      expect(revokedStream.payloads("after.revocation")).toEqual([]);
      activeStream.leave();
    }
  });

  test("of a user ends the streams of all sessions", async () => {
    const devices = [await world.login("mallory@example.com"), await world.login("mallory@example.com")];
    const subscribers = await Promise.all(
      devices.flatMap((device) => VARIANTS.map((variant) => EventSubscriber.open(world.transport(variant), device))),
    );
    await world.revoke({ user_id: devices[0]?.userId ?? expect.unreachable() });
    for (const subscriber of subscribers) {
      await until(() => subscriber.ended !== undefined, "the stream to end");
      expect(subscriber.ended).toBe("SESSION_REVOKED");
    }
  });
});
