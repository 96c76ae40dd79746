import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, openWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const [anyVariant = expect.unreachable()] = VARIANTS;
const open = (device: Device) => EventSubscriber.open(world.transport(anyVariant), device);
const JSON_TYPE = { "content-type": "application/json" };

async function list(query = "") {
  const response = await fetch(`${world.gateway.adminUrl}/streams${query}`);
  return { status: response.status, ...(await response.json()) };
}

async function revoke(body: string, headers: Record<string, string> = JSON_TYPE) {
  const response = await fetch(`${world.gateway.adminUrl}/revoke`, { method: "POST", headers, body });
  return { status: response.status, ...(await response.json()) };
}

describe("the admin listener", () => {
  test("lists the open streams in pages", async () => {
    const device = await world.login();
    const subscribers = [await open(device), await open(device), await open(device)];
    const first = await list(`?limit=2&user_id=${device.userId}`);
    expect(first).toMatchObject({ status: 200, streams: [{}, {}] });
    expect(first.streams[0]).toEqual({
      ...{ kind: "stream", id: expect.any(Number), age_ms: expect.any(Number), device_session_id: device.deviceSessionId },
      ...{ user_id: device.userId, peer_network: "127.0.0.1", protocol: "connect", codec: "proto", unread_bytes: 0 },
    });
    const second = await list(`?limit=2&user_id=${device.userId}&after=${first.next_after}`);
    expect(second.streams).toHaveLength(1);
    expect(second.next_after).toBeNull();
    for (const subscriber of subscribers) subscriber.leave();
    await until(async () => (await list()).streams.length === 0, "the streams to end");
  });

  test("revokes a session: its streams end and its next request is refused", async () => {
    const [revoked, active] = [await world.login("two@example.com"), await world.login("two@example.com")];
    const [revokedStream, activeStream] = [await open(revoked), await open(active)];
    expect(await revoke(JSON.stringify({ device_session_id: revoked.deviceSessionId }))).toEqual({
      status: 200,
      streams_ended: 1,
      everywhere: true,
    });
    await until(() => revokedStream.ended !== undefined, "the stream to end");
    expect(revokedStream.ended).toBe("SESSION_REVOKED");
    expect((await open(revoked)).ended).toBe("SESSION_REVOKED");
    expect(activeStream.ended).toBeUndefined();
    activeStream.leave();
  });

  test("revokes a user: all streams of the user end", async () => {
    const devices = [await world.login("three@example.com"), await world.login("three@example.com")];
    const subscribers = await Promise.all(devices.map(open));
    expect(await revoke(JSON.stringify({ user_id: devices[0]?.userId }))).toEqual({
      status: 200,
      streams_ended: 2,
      everywhere: true,
    });
    for (const subscriber of subscribers) await until(() => subscriber.ended === "SESSION_REVOKED", "the stream to end");
  });

  test.each(["?limit=0", "?limit=1001", "?limit=x", "?after=-1", "?user=ada"])("refuses /streams%s", async (query) => {
    expect(await list(query)).toMatchObject({ status: 400, code: "invalid_request" });
  });

  test.each([
    "",
    "{",
    "null",
    "[]",
    "{}",
    '{"user_id":""}',
    '{"user_id":1}',
    '{"user":"ada"}',
    '{"user_id":"a","device_session_id":"b"}',
  ])("refuses a revocation with the body %p", async (body) => {
    expect(await revoke(body)).toMatchObject({ status: 400, code: "invalid_request" });
  });

  test("refuses a revocation with the content type of an HTML form", async () => {
    expect(await revoke('{"user_id":"u"}', { "content-type": "text/plain" })).toMatchObject({ status: 415 });
  });
});
