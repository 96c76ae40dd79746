import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { metric, openWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const WAIT = "/api/v1/user/test/wait";
const codeOf = (error: unknown) => (error instanceof ConnectError ? Code[error.code] : String(error));

/** A backend call without an answer. `reached` resolves when it arrives, `hungUp` when the gateway cancels it. */
function backendThatWaits() {
  const reached = Promise.withResolvers<void>();
  const hungUp = Promise.withResolvers<void>();
  world.faults.on(WAIT, async ({ signal }) => {
    signal.addEventListener("abort", () => hungUp.resolve());
    reached.resolve();
    await hungUp.promise;
    return new Response();
  });
  return { reached: reached.promise, hungUp: hungUp.promise };
}

describe.each(VARIANTS)("$name", (variant) => {
  test("a client's cancellation cancels the backend call", async () => {
    const backend = backendThatWaits();
    const device = await world.login();
    const abort = new AbortController();
    const client = createClient(Gateway, world.transport(variant));
    const request = await device.signer.sign("test.wait", new Uint8Array(0));
    const call = client.executeCommand(request, { signal: abort.signal }).then(() => "answered", codeOf);
    await backend.reached;
    abort.abort();
    expect(await call).toBe("Canceled");
    await backend.hungUp;
  });

  test("a client's timeout ends the call with deadline_exceeded and cancels the backend call", async () => {
    const backend = backendThatWaits();
    const device = await world.login();
    const client = createClient(Gateway, world.transport(variant));
    const request = await device.signer.sign("test.wait", new Uint8Array(0));
    const startedAt = performance.now();
    const call = client.executeCommand(request, { timeoutMs: 150 }).then(() => "answered", codeOf);
    await backend.reached;
    expect(await call).toBe("DeadlineExceeded");
    await backend.hungUp;
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  test("a timeout on a subscription ends the stream", async () => {
    const device = await world.login();
    const client = createClient(Gateway, world.transport(variant));
    const request = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
    const events = client.subscribeEvents(request, { timeoutMs: 200 });
    const first = await events[Symbol.asyncIterator]().next();
    expect(first.value?.envelope?.eventType).toBe("gateway.server_time");
    await until(async () => (await metric(world.gateway, "sallyport_streams")) === 0, "the stream to end");
  });

  test("a stream that its client cancels is closed", async () => {
    const device = await world.login();
    const subscriber = await EventSubscriber.open(world.transport(variant), device);
    expect(await metric(world.gateway, "sallyport_streams")).toBe(1);
    subscriber.leave();
    await until(async () => (await metric(world.gateway, "sallyport_streams")) === 0, "the stream to end");
  });
});
