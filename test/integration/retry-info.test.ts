import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient, type Transport } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/errors.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { gatewayService } from "../../src/service/gateway-service.ts";
import { Poller } from "../support/poller.ts";
import { H2_VARIANTS, openRpcListeners, type RpcListeners } from "../support/rpc-listeners.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";
import { createHub, localStreams } from "../unit/hub/support/hub-fixture.ts";
import { createPorts } from "../unit/pipeline/support/fixture.ts";

/** An end of a stream that may be retried carries RetryInfo, in every protocol and codec. */

const EMPTY = new Uint8Array(0);

type Ended = { readonly reason: string | undefined; readonly retryAfterMs: number | undefined };

async function endOf(work: Promise<unknown>): Promise<Ended> {
  const refusal = await work.then(() => undefined, refusalOf);
  return { reason: refusal?.reason, retryAfterMs: refusal?.retryAfterMs };
}

/** Reads a stream to its end. */
async function stream(transport: Transport, device: Device): Promise<Ended> {
  const request = await device.signer.sign("gateway.subscribe", EMPTY);
  return endOf(Array.fromAsync(createClient(Gateway, transport).subscribeEvents(request)));
}

function expectDelay({ reason, retryAfterMs }: Ended, expected: string, fromMs: number, toMs: number): void {
  expect(reason).toBe(expected);
  expect(retryAfterMs).toBeGreaterThanOrEqual(fromMs);
  expect(retryAfterMs).toBeLessThanOrEqual(toMs);
}

describe("a gateway with tight limits", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ "streams.per_session_max": 1, "streams.age_ms": 1000, "streams.heartbeat_ms": 1000 });
  });
  afterAll(() => world.close());

  test.each(VARIANTS)("$name: STREAM_EXPIRED and TOO_MANY_STREAMS carry a delay", async (variant) => {
    const device = await world.login();
    const transport = world.transport(variant);
    const expired = stream(transport, device);
    await until(async () => (await metric(world.gateway, "sallyport_streams")) === 1, "the stream");
    expectDelay(await stream(transport, device), "TOO_MANY_STREAMS", 1000, 10_001);
    expectDelay(await endOf(new Poller(transport, device).poll()), "TOO_MANY_STREAMS", 1000, 10_001);
    expectDelay(await expired, "STREAM_EXPIRED", 100, 1101);
  });
});

test("a shutdown gives each stream and each poll a delay of its own", async () => {
  const world = await openWorld({ "streams.per_session_max": 1000 });
  const device = await world.login();
  const ends = VARIANTS.flatMap((variant) => {
    const transport = world.transport(variant);
    return [stream(transport, device), endOf(new Poller(transport, device).poll())];
  });
  await until(async () => (await metric(world.gateway, "sallyport_streams")) === ends.length, "all streams and polls");
  expect(await world.gateway.stop()).toBe(true);
  const all = await Promise.all(ends);
  for (const end of all) expectDelay(end, "SHUTTING_DOWN", 100, 1101);
  // Some of these delays may be equal by chance.
  expect(new Set(all.map(({ retryAfterMs }) => retryAfterMs)).size).toBeGreaterThan(all.length / 2);
  await world.close();
});

describe("a gateway that stops", () => {
  let listeners: RpcListeners;
  beforeAll(async () => {
    const parts = { streams: localStreams(createHub()), heartbeatMs: 25_000, isStopping: () => true };
    listeners = await openRpcListeners(gatewayService({ ...parts, pipeline: createPorts().ports }));
  });
  afterAll(() => listeners.close());

  test.each(H2_VARIANTS)("$name: refuses commands, subscriptions and polls with a delay", async ({ open }) => {
    const client = createClient(Gateway, open(listeners));
    const calls = [client.executeCommand({}), Array.fromAsync(client.subscribeEvents({})), client.fetchEvents({})];
    for (const call of calls) expectDelay(await endOf(call), "SHUTTING_DOWN", 100, 1101);
  });
});
