import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../src/client/errors.ts";
import { GatewayKeys } from "../../src/client/gateway-keys.ts";
import { verifyResponse } from "../../src/client/verify.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { withOtherS } from "../support/es256-device.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { sessionPath } from "../support/fault-backend.ts";
import { openFleet } from "../support/fleet.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld, type World } from "../support/world.ts";

/** Devices with ES256 keys, from login to revocation. */

const EMPTY = new Uint8Array(0);
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

test("the backend stores what the device registered, and the session's first command asks for it once", async () => {
  const device = await world.loginEs256();
  const path = sessionPath(device.deviceSessionId);
  const record = await (await fetch(`${world.backend.restUrl}${path}`)).json();
  expect(record).toMatchObject({
    client_public_key: Buffer.from(device.deviceKey.publicKey).toString("base64"),
    client_key_algorithm: "ES256",
  });
  const before = world.faults.calls(path);
  const client = createClient(Gateway, world.transport(VARIANTS[0] ?? expect.unreachable()));
  for (let command = 0; command < 5; command++)
    await client.executeCommand(await device.signer.sign("user.profile.get", EMPTY));
  expect(world.faults.calls(path) - before).toBe(1);
});

describe.each(VARIANTS)("$name", (variant) => {
  test("a device logs in, sends commands, gets events, and is revoked", async () => {
    const device = await world.loginEs256();
    const client = createClient(Gateway, world.transport(variant));
    const request = await device.signer.sign("user.profile.update", json({ display_name: "Ada" }));
    const answer = await client.executeCommand(request);
    expect(answer.envelope?.resultCode).toBe("ok");
    await verifyResponse(answer, request, new GatewayKeys(world.gateway.edgeUrl));

    const subscriber = await EventSubscriber.open(world.transport(variant), device);
    expect(subscriber.payloads("gateway.server_time")).toMatchObject([{ user_id: device.userId }]);
    await world.push({ user_id: device.userId, event_type: "chat.message", payload: { text: "hello" } });
    await until(() => subscriber.payloads("chat.message").length === 1, "the event");

    await world.revoke({ device_session_id: device.deviceSessionId });
    await until(() => subscriber.ended !== undefined, "the end of the stream");
    expect(subscriber.ended).toBe("SESSION_REVOKED");
    const next = client.executeCommand(await device.signer.sign("user.profile.get", EMPTY));
    expect(await next.catch(reasonOf)).toBe("SESSION_REVOKED");
  });

  test("both forms of a signature are accepted, but they are one request", async () => {
    const device = await world.loginEs256();
    const client = createClient(Gateway, world.transport(variant));
    for (const isOtherFirst of [true, false]) {
      const request = await device.signer.sign("user.profile.get", EMPTY);
      const other = { ...request, signature: withOtherS(request.signature) };
      const [first, second] = isOtherFirst ? [other, request] : [request, other];
      expect((await client.executeCommand(first)).envelope?.resultCode).toBe("ok");
      expect(await client.executeCommand(second).catch(reasonOf)).toBe("REQUEST_REPLAYED");
    }
  });
});

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "two gateways on one Redis", () => {
  test("serve ES256 devices; both forms of a signature are one request on both gateways", async () => {
    await using undo = new AsyncDisposableStack();
    const redis = await TestRedis.start();
    undo.defer(() => redis.close());
    const fleet = await openFleet(redis);
    undo.defer(() => fleet.close());
    const device = await fleet.world.loginEs256();
    for (const gateway of [0, 1]) {
      const request = await device.signer.sign("user.profile.get", EMPTY);
      const other = { ...request, signature: withOtherS(request.signature) };
      expect(await fleet.send(gateway, request)).toBe("ok");
      expect(await fleet.send(1 - gateway, other)).toBe("REQUEST_REPLAYED");
    }
    await fleet.world.revoke({ device_session_id: device.deviceSessionId });
    for (const gateway of [0, 1]) {
      await until(
        async () => (await fleet.send(gateway, await device.signer.sign("user.profile.get", EMPTY))) === "SESSION_REVOKED",
        `gateway ${gateway} to know of the revocation`,
      );
    }
  });
});
