import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Gateway, type GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { metric, openWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  // Only the client ends a call in these tests.
  world = await openWorld({ "backend.timeout_ms": 60_000 });
});
afterAll(() => world.close());

const WAIT = "/api/v1/user/test/wait";
const codeOf = (error: unknown) => (error instanceof ConnectError ? Code[error.code] : String(error));

/** A backend call without an answer. `reached` resolves when it arrives, `hungUp` when the gateway cancels it. */
function backendThatWaits() {
  let calls = 0;
  const reached = Promise.withResolvers<void>();
  const hungUp = Promise.withResolvers<void>();
  world.faults.on(WAIT, async ({ signal }) => {
    signal.addEventListener("abort", () => hungUp.resolve());
    calls++;
    reached.resolve();
    await hungUp.promise;
    return new Response();
  });
  return { reached: reached.promise, hungUp: hungUp.promise, hasArrived: () => calls > 0 };
}

/** Adds the events of a stream to `received`. Resolves to the code of the error that ends the stream. */
async function readAll(stream: AsyncIterable<GatewayEvent>, received: GatewayEvent[]): Promise<string> {
  try {
    for await (const event of stream) received.push(event);
    return "ended without an error";
  } catch (error) {
    return codeOf(error);
  }
}

/** Makes a call with longer and longer timeouts until one arrives. On a loaded machine, a short timeout can pass before that. */
async function untilArrived(call: (timeoutMs: number) => Promise<void>, hasArrived: () => boolean): Promise<void> {
  for (const timeoutMs of [200, 1000, 5000]) {
    await call(timeoutMs);
    if (hasArrived()) return;
  }
  expect.unreachable();
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
    await untilArrived(async (timeoutMs) => {
      const request = await device.signer.sign("test.wait", new Uint8Array(0));
      const call = client.executeCommand(request, { timeoutMs }).then(() => "answered", codeOf);
      expect(await call).toBe("DeadlineExceeded");
    }, backend.hasArrived);
    await backend.hungUp;
  });

  test("a timeout on a subscription ends the stream", async () => {
    const device = await world.login();
    const client = createClient(Gateway, world.transport(variant));
    const received: GatewayEvent[] = [];
    await untilArrived(
      async (timeoutMs) => {
        const request = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
        const ended = await readAll(client.subscribeEvents(request, { timeoutMs }), received);
        expect(ended).toBe("DeadlineExceeded");
      },
      () => received.length > 0,
    );
    expect(received[0]?.envelope?.eventType).toBe("gateway.server_time");
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
