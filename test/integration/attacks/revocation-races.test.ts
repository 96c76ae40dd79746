import { expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../../src/client/errors.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { openStores } from "../../../src/stores/open.ts";
import { EventSubscriber } from "../../support/event-subscriber.ts";
import { sessionPath } from "../../support/fault-backend.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";
import { metric, openWorld } from "../../support/world.ts";

/** A revocation that arrives during another operation wins. The tests force each interleaving. */

const EMPTY = new Uint8Array(0);

/** Blocks an operation until the test opens the gate. */
class Gate {
  readonly #opened = Promise.withResolvers<void>();
  readonly #reached = Promise.withResolvers<void>();
  readonly reached = this.#reached.promise;

  pass(): Promise<void> {
    this.#reached.resolve();
    return this.#opened.promise;
  }

  open(): void {
    this.#opened.resolve();
  }
}

const transportOf = (url: string) => VARIANTS[0]?.open(url) ?? expect.unreachable();

test("a revocation between look-up and registration closes the stream", async () => {
  let gate: Gate | undefined;
  const world = await openWorld(
    {},
    {
      // The last check before registration waits at the gate.
      openStores: async (...parts) => {
        const stores = await openStores(...parts);
        const buckets = {
          check: stores.buckets.check.bind(stores.buckets),
          spend: stores.buckets.spend.bind(stores.buckets),
          async take(...demand: Parameters<typeof stores.buckets.take>) {
            await gate?.pass();
            return stores.buckets.take(...demand);
          },
        };
        return { ...stores, buckets };
      },
    },
  );
  const revocations = () => metric(world.gateway, "sallyport_events_total", '{kind="session_invalidation"}');
  for (const scope of ["device_session_id", "user_id"] as const) {
    gate = undefined;
    const device = await world.login();
    gate = new Gate();
    const opening = EventSubscriber.open(transportOf(world.gateway.edgeUrl), device);
    await gate.reached;
    const before = await revocations();
    await world.revoke(scope === "user_id" ? { user_id: device.userId } : { device_session_id: device.deviceSessionId });
    await until(async () => (await revocations()) > before, "the revocation to arrive");
    gate.open();
    const subscriber = await opening;
    expect(subscriber.ended).toBe("SESSION_REVOKED");
    expect(subscriber.events).toHaveLength(0);
    expect(await metric(world.gateway, "sallyport_streams")).toBe(0);
  }
  await world.close();
});

test("a look-up that began before a revocation does not store the session in the cache", async () => {
  const world = await openWorld();
  const device = await world.login();
  const gate = new Gate();
  const path = sessionPath(device.deviceSessionId);
  const record = await (await fetch(`${world.backend.restUrl}${path}`)).json();
  world.faults.on(path, async () => {
    await gate.pass();
    return Response.json(record);
  });
  const client = createClient(Gateway, transportOf(world.gateway.edgeUrl));
  const early = client.executeCommand(await device.signer.sign("user.profile.get", EMPTY)).then(() => "admitted", reasonOf);
  await gate.reached;
  await world.revoke({ device_session_id: device.deviceSessionId });
  const revocations = () => metric(world.gateway, "sallyport_events_total", '{kind="session_invalidation"}');
  await until(async () => (await revocations()) === 1, "the revocation to arrive");
  // The backend answers with the record from before the revocation.
  gate.open();
  expect(await early).toBe("SESSION_REVOKED");
  world.faults.off(path);
  const late = client.executeCommand(await device.signer.sign("user.profile.get", EMPTY)).then(() => "admitted", reasonOf);
  expect(await late).toBe("SESSION_REVOKED");
  await world.close();
});

test("a cached session is refused as soon as its revocation has arrived", async () => {
  const world = await openWorld();
  const device = await world.login();
  const client = createClient(Gateway, transportOf(world.gateway.edgeUrl));
  const call = async () =>
    client.executeCommand(await device.signer.sign("user.profile.get", EMPTY)).then(() => "admitted", reasonOf);
  expect(await call()).toBe("admitted");
  await world.revoke({ user_id: device.userId });
  await until(
    async () => (await metric(world.gateway, "sallyport_events_total", '{kind="session_invalidation"}')) === 1,
    "the revocation",
  );
  expect(await call()).toBe("SESSION_REVOKED");
  await world.close();
});
