import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld({ "push.backoff_min_ms": 1, "push.backoff_max_ms": 20 });
});
afterAll(() => world.close());

const [anyVariant = expect.unreachable()] = VARIANTS;
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => ({ n: from + n }));
const resumeAfter = (id: string) => JSON.stringify({ resume_after: id });

async function count(device: Device, from: number, to: number): Promise<void> {
  for (const payload of numbers(from, to)) await world.push({ user_id: device.userId, event_type: "count.up", payload });
}

const has = (subscriber: EventSubscriber, events: number) =>
  until(() => subscriber.payloads("count.up").length >= events, `${events} events`);
const types = (subscriber: EventSubscriber) => subscriber.events.map(({ envelope }) => envelope?.eventType);

describe("a client that resumes", () => {
  test.each(VARIANTS)("$name: gets every missed event once and in order", async (variant) => {
    const device = await world.login();
    const before = await EventSubscriber.open(world.transport(variant), device);
    await count(device, 0, 5);
    await has(before, 5);
    before.leave();
    await count(device, 5, 30);
    const after = await EventSubscriber.open(world.transport(variant), device, resumeAfter(before.lastId));
    await count(device, 30, 35);
    await has(after, 30);
    expect(after.payloads("count.up")).toEqual(numbers(5, 35));
    expect(after.payloads("gateway.server_time")).toMatchObject([{ resumed: true }]);
    after.leave();
  });

  test("repeatedly under load misses no event and gets none twice", async () => {
    const device = await world.login();
    const EVENTS = 300;
    let subscriber = await EventSubscriber.open(world.transport(anyVariant), device);
    const load = count(device, 0, EVENTS);
    const received: unknown[] = [];
    while (received.length < EVENTS) {
      await until(() => subscriber.payloads("count.up").length > 0, "an event");
      subscriber.leave();
      await until(() => subscriber.ended !== undefined, "the stream to end");
      received.push(...subscriber.payloads("count.up"));
      subscriber = await EventSubscriber.open(world.transport(anyVariant), device, resumeAfter(subscriber.lastId));
      if (received.length + subscriber.payloads("count.up").length >= EVENTS) break;
    }
    await load;
    await has(subscriber, EVENTS - received.length);
    expect([...received, ...subscriber.payloads("count.up")]).toEqual(numbers(0, EVENTS));
    subscriber.leave();
  });

  test("gets every missed event even if the push feed was interrupted and resumed meanwhile", async () => {
    const device = await world.login();
    const before = await EventSubscriber.open(world.transport(anyVariant), device);
    await count(device, 0, 3);
    await has(before, 3);
    before.leave();
    await world.backend.stopPush();
    await count(device, 3, 6);
    await world.backend.startPush();
    await until(async () => (await metric(world.gateway, "sallyport_push_feed_up")) === 1, "the push feed to be up");
    await count(device, 6, 9);
    const after = await EventSubscriber.open(world.transport(anyVariant), device, resumeAfter(before.lastId));
    await has(after, 6);
    expect(after.payloads("count.up")).toEqual(numbers(3, 9));
    after.leave();
  });

  test("after an unknown event id gets a resync", async () => {
    const device = await world.login();
    const subscriber = await EventSubscriber.open(world.transport(anyVariant), device, resumeAfter("unknown-id"));
    await until(() => subscriber.events.length === 2, "the resync");
    expect(types(subscriber)).toEqual(["gateway.server_time", "gateway.resync"]);
    expect(subscriber.payloads("gateway.server_time")).toMatchObject([{ resumed: false }]);
    expect(subscriber.events[1]?.envelope?.audience).toBe(`session:${device.deviceSessionId}`);
    subscriber.leave();
  });
});

describe("an invalid payload of a subscription is refused with PAYLOAD_INVALID:", () => {
  test.each([
    ["{", "payload"],
    ["[]", "payload"],
    ["null", "payload"],
    ["{}", "resume_after"],
    ['{"resume_after":7}', "resume_after"],
    ['{"resume_after":""}', "resume_after"],
    ['{"resume_after":"two words"}', "resume_after"],
    [`{"resume_after":"${"x".repeat(129)}"}`, "resume_after"],
    ['{"resume_after":"e-1","from":1}', "from"],
    ['{"resume_after":"e-1","resume_after":"e-2"}', "resume_after"],
    ['\ufeff{"resume_after":"e-1"}', "payload"],
  ])("%s, field %s", async (payload, field) => {
    const subscriber = await EventSubscriber.open(world.transport(anyVariant), await world.login(), payload);
    expect([subscriber.ended, subscriber.refusalMetadata["field"]]).toEqual(["PAYLOAD_INVALID", field]);
  });
});
