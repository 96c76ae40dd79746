import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { reasonOf } from "../../src/client/errors.ts";
import { GatewayKeys } from "../../src/client/gateway-keys.ts";
import { verifyEvent } from "../../src/client/verify.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { Poller, payloadOf, typesOf } from "../support/poller.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { metric, openWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld({ "streams.per_session_max": 3, "cors.origins": ["https://app.example"] });
});
afterAll(() => world.close());

const waiting = () => metric(world.gateway, "sallyport_streams");
const none = () => until(async () => (await waiting()) === 0, "every poll to end");

describe.each(VARIANTS)("$name", (variant) => {
  test("answers at once if wait_ms is 0: gateway.server_time alone, for this request, and verifiable", async () => {
    const device = await world.login();
    const events = await new Poller(world.transport(variant), device).poll({ wait_ms: 0 });
    expect(typesOf(events)).toEqual(["gateway.server_time"]);
    expect(payloadOf(events[0])).toMatchObject({ resumed: false, user_id: device.userId, heartbeat_interval_ms: 25_000 });
    const [event = expect.unreachable()] = events;
    const verified = await verifyEvent(event, new GatewayKeys(world.gateway.edgeUrl));
    expect(verified.audience).toBe(`session:${device.deviceSessionId}`);
  });

  test("a waiting call returns with the first event, and the next call resumes after it", async () => {
    const device = await world.login();
    const poller = new Poller(world.transport(variant), device);
    await poller.poll({ wait_ms: 0 });
    const call = poller.poll();
    await until(async () => (await waiting()) === 1, "the call to wait");
    await world.push({ user_id: device.userId, event_type: "count.up", payload: { n: 1 } });
    const events = await call;
    expect(typesOf(events)).toEqual(["gateway.server_time", "count.up"]);
    expect(payloadOf(events[0])).toMatchObject({ resumed: true });
    expect(payloadOf(events[1])).toEqual({ n: 1 });
    await world.push({ device_session_id: device.deviceSessionId, event_type: "count.up", payload: { n: 2 } });
    const next = await poller.poll();
    expect(payloadOf(next[1])).toEqual({ n: 2 });
    expect(await waiting()).toBe(0);
  });

  test("an event has the same signed bytes as in a stream", async () => {
    const device = await world.login();
    const poller = new Poller(world.transport(variant), device);
    const stream = await EventSubscriber.open(world.transport(variant), device);
    await poller.poll({ wait_ms: 0 });
    await world.push({ user_id: device.userId, event_type: "count.up", payload: { n: 1 } });
    await until(() => stream.events.length === 2, "the event");
    const [, fetched] = await poller.poll();
    expect(fetched).toEqual(stream.events[1] ?? expect.unreachable());
    stream.leave();
    await none();
  });

  test("a call answers before its timeout, even if it waits for longer", async () => {
    const poller = new Poller(world.transport(variant), await world.login());
    const events = await poller.poll({ wait_ms: 25_000 }, { timeoutMs: 1000 });
    expect(typesOf(events)).toEqual(["gateway.server_time"]);
  });

  test("a call that its client cancels leaves nothing", async () => {
    const abort = new AbortController();
    const call = new Poller(world.transport(variant), await world.login()).poll({}, { signal: abort.signal });
    await until(async () => (await waiting()) === 1, "the call to wait");
    abort.abort();
    await expect(call).rejects.toThrow();
    await none();
  });

  test("a revocation ends the waiting call with SESSION_REVOKED, and refuses the next one", async () => {
    for (const scope of ["user_id", "device_session_id"] as const) {
      const device = await world.login();
      const poller = new Poller(world.transport(variant), device);
      const call = poller.poll().then(() => "answered", reasonOf);
      await until(async () => (await waiting()) === 1, "the call to wait");
      await world.revoke(scope === "user_id" ? { user_id: device.userId } : { device_session_id: device.deviceSessionId });
      expect(await call).toBe("SESSION_REVOKED");
      expect(await poller.poll().then(() => "answered", reasonOf)).toBe("SESSION_REVOKED");
    }
  });
});
