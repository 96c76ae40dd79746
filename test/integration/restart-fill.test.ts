import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Gateway, startGateway } from "../../src/app/gateway.ts";
import { Gateway as GatewayService } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { outcomeOf } from "../support/outcome.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { type Device, login, metric, openWorld } from "../support/world.ts";
import { clientEvent, PushServer, sessionInvalidation } from "../unit/backend/support/push-server.ts";

/** A gateway with `history.checkpoint_file` that starts again, and reads the feed of before the restart. */

let opened = new AsyncDisposableStack();
afterEach(() => opened.disposeAsync());

async function fixture() {
  opened = new AsyncDisposableStack();
  const push = await new PushServer().start();
  opened.defer(() => push.kill());
  const folder = mkdtempSync(join(tmpdir(), "sallyport-fill-"));
  opened.defer(() => rmSync(folder, { recursive: true }));
  const settings = { "push.url": push.url, "history.checkpoint_file": join(folder, "checkpoint"), "keys.current": SEED };
  const world = await openWorld(settings);
  opened.defer(() => world.close());
  const startAgain = async () => {
    await world.gateway.stop();
    const gateway = await startGateway({ config: world.config, log: SILENT_LOG });
    opened.defer(async () => void (await gateway.stop()));
    return gateway;
  };
  return { push, world, startAgain };
}

const transport = ({ edgeUrl }: Gateway) => createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" });

async function profile(gateway: Gateway, { signer }: Device): Promise<string> {
  const request = await signer.sign("user.profile.get", new Uint8Array());
  const client = createClient(GatewayService, transport(gateway));
  return outcomeOf(async () => (await client.executeCommand(request)).envelope?.resultCode);
}

test("a revocation of before the restart does not end a session that its user opened afterwards; a new one does", async () => {
  const { push, world, startAgain } = await fixture();
  const { userId } = await world.login("ada@example.com");
  push.push(sessionInvalidation({ userId }));
  const revoked = () => metric(world.gateway, "sallyport_events_total", '{kind="session_invalidation"}');
  await until(async () => (await revoked()) === 1, "the revocation");
  const feed = Promise.withResolvers<void>();
  push.gate = feed.promise;
  const gateway = await startAgain();
  const device = await login(gateway.edgeUrl, world.backend.restUrl, "ada@example.com");
  expect(device.userId).toBe(userId);
  expect(await profile(gateway, device)).toBe("ok");
  feed.resolve();
  await until(
    async () => (await metric(gateway, "sallyport_events_total", '{kind="session_invalidation"}')) === 1,
    "the replay",
  );
  expect(await profile(gateway, device)).toBe("ok");
  push.push(sessionInvalidation({ userId }));
  await until(async () => (await profile(gateway, device)) === "SESSION_REVOKED", "the new revocation");
});

test("a client of a quiet feed, whose keepalives have no cursor, resumes at once", async () => {
  const { push, world, startAgain } = await fixture();
  push.sendsCursors = false;
  push.cut();
  const device = await world.login();
  const before = await EventSubscriber.open(transport(world.gateway), device);
  push.push({ cursor: "1", ...clientEvent({ userId: device.userId, eventType: "test.one" }) });
  await until(() => before.events.at(-1)?.envelope?.eventType === "test.one", "the event");
  const gateway = await startAgain();
  const readyz = async () => (await fetch(`${gateway.adminUrl}/readyz`)).text();
  await until(async () => (await metric(gateway, "sallyport_push_feed_up")) === 1, "the push feed to be up");
  expect(await readyz()).toBe('{"status":"ready"}');
  const after = await EventSubscriber.open(transport(gateway), device, JSON.stringify({ resume_after: before.lastId }));
  expect(after.payloads("gateway.server_time")).toMatchObject([{ resumed: true }]);
  push.push({ cursor: "2", ...clientEvent({ userId: device.userId, eventType: "test.two" }) });
  await until(() => after.events.length === 2, "the next event");
  expect(after.events.at(-1)?.envelope?.eventType).toBe("test.two");
});
