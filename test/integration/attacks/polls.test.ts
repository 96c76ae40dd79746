import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf, refusalOf } from "../../../src/client/errors.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { openStores } from "../../../src/stores/open.ts";
import { sessionPath } from "../../support/fault-backend.ts";
import { Poller, payloadOf, typesOf } from "../../support/poller.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../../support/world.ts";

/** Polls of clients that want more than their own events, or more than their share. */

const [anyVariant = expect.unreachable()] = VARIANTS;
const EMPTY = new Uint8Array(0);

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const waiting = () => metric(world.gateway, "sallyport_streams");
const clientOf = (variant = anyVariant) => createClient(Gateway, world.transport(variant));

async function fetchWith(device: Device, payload: string) {
  const request = await device.signer.sign("gateway.fetch", new TextEncoder().encode(payload));
  return clientOf().fetchEvents(request);
}

test.each(VARIANTS)("$name: a signature for one RPC is not valid for another", async (variant) => {
  const device = await world.login();
  const client = clientOf(variant);
  const [subscription, fetched, command] = await Promise.all([
    device.signer.sign("gateway.subscribe", EMPTY),
    device.signer.sign("gateway.fetch", EMPTY),
    device.signer.sign("user.profile.get", EMPTY),
  ]);
  const calls = [
    client.fetchEvents(subscription),
    client.fetchEvents(command),
    client.executeCommand(fetched),
    Array.fromAsync(client.subscribeEvents(fetched)),
    // The message type is signed, so it cannot be replaced.
    client.fetchEvents({ ...subscription, envelope: { ...subscription.envelope, messageType: "gateway.fetch" } }),
  ];
  const refusals = await Promise.all(calls.map((call) => call.then(() => undefined, refusalOf)));
  const malformed = { reason: "MALFORMED_ENVELOPE", metadata: { field: "message_type" } };
  expect(refusals.slice(0, 4)).toMatchObject([malformed, malformed, malformed, malformed]);
  expect(refusals[4]).toMatchObject({ reason: "SIGNATURE_INVALID" });
  expect(await waiting()).toBe(0);
});

test("a copied request is refused as replayed while the first one waits", async () => {
  const device = await world.login();
  const request = await device.signer.sign("gateway.fetch", EMPTY);
  const abort = new AbortController();
  const first = clientOf()
    .fetchEvents(request, { signal: abort.signal })
    .then(() => "answered", reasonOf);
  await until(async () => (await waiting()) === 1, "the first to wait");
  expect(
    await clientOf()
      .fetchEvents(request)
      .then(() => "answered", reasonOf),
  ).toBe("REQUEST_REPLAYED");
  abort.abort();
  await first;
  await until(async () => (await waiting()) === 0, "the poll to end");
});

test("the ids of another user's events give none of that user's events", async () => {
  const [victim, attacker] = [await world.login(), await world.login()];
  const poller = new Poller(world.transport(anyVariant), victim);
  const [start] = await poller.poll({ wait_ms: 0 });
  for (let n = 0; n < 3; n++) await world.push({ user_id: victim.userId, event_type: "secret.sent", payload: { n } });
  await world.push({ user_id: attacker.userId, event_type: "own.event", payload: {} });
  const events = await poller.poll();
  expect(typesOf(events)).toContain("secret.sent");
  for (const { envelope } of [start, ...events].flatMap((event) => event ?? [])) {
    const stolen = await fetchWith(attacker, JSON.stringify({ resume_after: envelope?.eventId, wait_ms: 0 }));
    expect(typesOf(stolen.events)).not.toContain("secret.sent");
    for (const event of stolen.events)
      expect(event.envelope?.audience).toMatch(new RegExp(`${attacker.deviceSessionId}|${attacker.userId}`));
    // An id of a backend event belongs to its user alone; an id of the gateway's own events names a position of the push feed.
    if (envelope?.eventType === "secret.sent") expect(payloadOf(stolen.events[0])).toMatchObject({ resumed: false });
  }
});

test.each([
  ["a wait over 25 s", '{"wait_ms":25001}'],
  ["an enormous wait", '{"wait_ms":1e308}'],
  ["a negative wait", '{"wait_ms":-1}'],
  ["no events", '{"events_max":0}'],
  ["too many events", '{"events_max":100000}'],
  ["a long id", `{"resume_after":"${"x".repeat(200)}"}`],
  ["an object as id", '{"resume_after":{"$gt":""}}'],
  ["a name twice", '{"wait_ms":0,"wait_ms":25000}'],
  ["deep nesting", "[".repeat(5000)],
])("a payload with %s is refused, and leaves no poll", async (_name, payload) => {
  const device = await world.login();
  expect(await fetchWith(device, payload).then(() => "answered", reasonOf)).toBe("PAYLOAD_INVALID");
  expect(await waiting()).toBe(0);
});

test("a poll that is canceled or times out during its session look-up leaves nothing", async () => {
  for (const call of [{ signal: AbortSignal.timeout(30) }, { timeoutMs: 30 }]) {
    const device = await world.login();
    const gate = Promise.withResolvers<void>();
    const record = await (await fetch(`${world.backend.restUrl}${sessionPath(device.deviceSessionId)}`)).json();
    world.faults.on(sessionPath(device.deviceSessionId), async () => {
      await gate.promise;
      return Response.json(record);
    });
    await expect(new Poller(world.transport(anyVariant), device).poll({}, call)).rejects.toThrow();
    gate.resolve();
    // The next poll of the session is admitted, so the first one has been processed.
    await new Poller(world.transport(anyVariant), device).poll({ wait_ms: 0 });
    await until(async () => (await waiting()) === 0, "every poll to end");
  }
});

describe("a revocation", () => {
  test("between look-up and registration refuses the poll", async () => {
    let gate: { readonly reached: () => void; readonly opened: Promise<void> } | undefined;
    const gated = await openWorld(
      {},
      {
        // The last check before registration waits at the gate.
        openStores: async (...parts) => {
          const stores = await openStores(...parts);
          const buckets = {
            check: stores.buckets.check.bind(stores.buckets),
            spend: stores.buckets.spend.bind(stores.buckets),
            async take(...demand: Parameters<typeof stores.buckets.take>) {
              gate?.reached();
              await gate?.opened;
              return stores.buckets.take(...demand);
            },
          };
          return { ...stores, buckets };
        },
      },
    );
    const device = await gated.login();
    const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    gate = { reached: reached.resolve, opened: opened.promise };
    const call = new Poller(gated.transport(anyVariant), device).poll().then(() => "answered", reasonOf);
    await reached.promise;
    await gated.revoke({ device_session_id: device.deviceSessionId });
    const arrived = () => metric(gated.gateway, "sallyport_events_total", '{kind="session_invalidation"}');
    await until(async () => (await arrived()) === 1, "the revocation to arrive");
    opened.resolve();
    expect(await call).toBe("SESSION_REVOKED");
    expect(await metric(gated.gateway, "sallyport_streams")).toBe(0);
    await gated.close();
  });

  test("right behind an event ends in one of two ways: the event, or SESSION_REVOKED", async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const device = await world.login();
      const call = new Poller(world.transport(anyVariant), device).poll().then((events) => typesOf(events).join(), reasonOf);
      await until(async () => (await waiting()) === 1, "the poll to wait");
      await Promise.all([
        world.push({ user_id: device.userId, event_type: "count.up", payload: {} }),
        world.revoke({ user_id: device.userId }),
      ]);
      outcomes.add(String(await call));
    }
    for (const outcome of outcomes) expect(["SESSION_REVOKED", "gateway.server_time,count.up"]).toContain(outcome);
  });
});
