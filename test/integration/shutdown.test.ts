import { expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../src/client/errors.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { runCommand } from "../support/process.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld } from "../support/world.ts";

const EMPTY = new Uint8Array(0);
const DEADLINE_MS = 5000;

test("SIGTERM under load: calls in flight are answered, streams end with SHUTTING_DOWN, and the exit code is 0 within the deadline", async () => {
  const world = await openWorld();
  const routes = [{ message_type: "test.wait", method: "POST", path: "/api/v1/user/test/wait" }];
  const server = runCommand(["serve"], {
    SALLYPORT_EDGE_LISTEN: "127.0.0.1:0",
    SALLYPORT_GRPC_LISTEN: "127.0.0.1:0",
    SALLYPORT_ADMIN_LISTEN: "127.0.0.1:0",
    SALLYPORT_BACKEND_URL: world.faults.url,
    SALLYPORT_PUSH_URL: world.backend.pushUrl,
    SALLYPORT_ROUTES: JSON.stringify(routes),
    SALLYPORT_KEYS_CURRENT: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64"),
    SALLYPORT_SHUTDOWN_DEADLINE_MS: String(DEADLINE_MS),
    SALLYPORT_BUDGETS_SESSION_BURST: "1000",
    SALLYPORT_BUDGETS_USER_BURST: "1000",
    SALLYPORT_BUDGETS_IP_BURST: "1000",
    SALLYPORT_STREAMS_PER_SESSION_MAX: "64",
  });
  await until(() => server.stdout().includes("gateway started"), "the gateway to be up");
  const up =
    server
      .stdout()
      .split("\n")
      .find((line) => line.includes("gateway started")) ?? "";
  const urls: { edge: string; grpc: string } = JSON.parse(up);
  const transports = () => VARIANTS.map(({ listener, open }) => open(urls[listener]));

  const device = await world.login();
  const subscribers = await Promise.all(transports().map((transport) => EventSubscriber.open(transport, device)));
  let waiting = 0;
  const answer = Promise.withResolvers<void>();
  world.faults.on("/api/v1/user/test/wait", async () => {
    waiting++;
    await answer.promise;
    return Response.json({ waited: true });
  });
  const clients = transports().map((transport) => createClient(Gateway, transport));
  const inFlight = clients.flatMap((client) =>
    Array.from({ length: 5 }, async () => client.executeCommand(await device.signer.sign("test.wait", EMPTY))),
  );
  await until(() => waiting === inFlight.length, "the calls to reach the backend");

  const killedAt = performance.now();
  server.kill("SIGTERM");
  for (const subscriber of subscribers) {
    await until(() => subscriber.ended !== undefined, "the stream to end");
    expect(subscriber.ended).toBe("SHUTTING_DOWN");
  }
  // A new call on an open connection is refused; a new connection is not accepted.
  const late = await clients[1]?.executeCommand(await device.signer.sign("test.wait", EMPTY)).then(() => "admitted", reasonOf);
  expect(late).not.toBe("admitted");
  answer.resolve();
  for (const { envelope } of await Promise.all(inFlight)) expect(envelope?.resultCode).toBe("ok");
  expect(await server.exited).toBe(0);
  expect(performance.now() - killedAt).toBeLessThan(DEADLINE_MS);
  await world.close();
}, 60_000);

test("a call without an answer is canceled at the deadline, and stop() returns false", async () => {
  const world = await openWorld({ "shutdown.deadline_ms": 100 });
  const device = await world.login();
  let reached = false;
  world.faults.on("/api/v1/user/test/wait", async ({ signal }) => {
    reached = true;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return new Response();
  });
  const client = createClient(Gateway, VARIANTS[0]?.open(world.gateway.edgeUrl) ?? expect.unreachable());
  const call = client.executeCommand(await device.signer.sign("test.wait", EMPTY)).then(
    () => "answered",
    () => "canceled",
  );
  await until(() => reached, "the call to reach the backend");
  expect(await world.gateway.stop()).toBe(false);
  expect(await call).toBe("canceled");
  await world.close();
});
