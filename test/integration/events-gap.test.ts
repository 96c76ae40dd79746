import { afterEach, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { startGateway } from "../../src/app/gateway.ts";
import { reasonOf } from "../../src/client/errors.ts";
import type { Config } from "../../src/config/schema.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { Listener } from "../support/listener.ts";
import { story, unexplained } from "../support/story.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";
import { clientEvent, PushServer } from "../unit/backend/support/push-server.ts";

/** A backend that loses events: what it cannot resume from, every client must hear of. */

const RESTARTS = 50;
const EVENTS_BETWEEN = 10;

interface Setting {
  readonly feed: PushServer;
  readonly world: World;
}

const open: Setting[] = [];
async function openSetting(sendsCursors: boolean, config: Partial<Config> = {}): Promise<Setting> {
  const feed = await Object.assign(new PushServer(), { sendsCursors }).start();
  const quick = { "push.backoff_min_ms": 1, "push.backoff_max_ms": 10 };
  const world = await openWorld({ "push.url": feed.url, ...quick, ...config });
  const setting = { feed, world };
  open.push(setting);
  return setting;
}
afterEach(async () => {
  for (const { feed, world } of open.splice(0)) {
    await world.close();
    await feed.kill();
  }
});

const [anyVariant = expect.unreachable()] = VARIANTS;
function push({ feed }: Setting, device: Device, n: number): void {
  const payloadBytes = new TextEncoder().encode(JSON.stringify({ n }));
  feed.push(clientEvent({ userId: device.userId, eventId: `e-${device.userId}-${n}`, eventType: "count.up", payloadBytes }));
}

async function outage({ feed, world }: Setting, meanwhile: () => unknown = () => {}): Promise<void> {
  const isUp = () => metric(world.gateway, "sallyport_push_feed_up");
  await feed.kill();
  await until(async () => (await isUp()) === 0, "the feed to notice");
  await meanwhile();
  await feed.start();
  await until(async () => (await isUp()) === 1, "the feed to be up");
}

describe("a backend without cursors", () => {
  test(`is killed and restarted ${RESTARTS} times under load: no event is missing without a resync, none comes twice`, async () => {
    const setting = await openSetting(false);
    const { world } = setting;
    const device = await world.login();
    const listeners = await Promise.all(VARIANTS.map((variant) => Listener.open(world.transport(variant), device)));
    let sent = 0;
    for (let restart = 0; restart < RESTARTS; restart++) {
      for (let n = 0; n < EVENTS_BETWEEN; n++) push(setting, device, sent++);
      await outage(setting, () => push(setting, device, sent++));
    }
    push(setting, device, sent);
    for (const listener of listeners) {
      await until(() => story(listener).includes(sent), "the last event");
      const told = story(listener);
      expect(told.filter((each) => each === "resync")).toHaveLength(RESTARTS);
      expect(unexplained(told)).toEqual([]);
      expect(listener.ended).toBeUndefined();
      listener.leave();
    }
  }, 60_000);

  test("loses a revocation: the session's streams end all the same, others' live on", async () => {
    const setting = await openSetting(false);
    const { world } = setting;
    const [lost, kept] = [await world.login(), await world.login()];
    const doomed = await Promise.all(VARIANTS.map((variant) => Listener.open(world.transport(variant), lost)));
    const safe = await Listener.open(world.transport(anyVariant), kept);
    // The embedded backend knows of it, and this feed never says so.
    await outage(setting, () => world.revoke({ device_session_id: lost.deviceSessionId }));
    for (const listener of doomed) {
      await until(() => listener.ended !== undefined, "the stream to end");
      expect([story(listener), listener.ended]).toEqual([["resync"], "SESSION_REVOKED"]);
    }
    expect((await Listener.open(world.transport(anyVariant), lost)).ended).toBe("SESSION_REVOKED");
    expect([story(safe), safe.ended]).toEqual([["resync"], undefined]);
    safe.leave();
  });
});

test("a backend that has forgotten its cursor: streams hear resync, and nobody resumes from before", async () => {
  const setting = await openSetting(true);
  const { feed, world } = setting;
  const device = await world.login();
  const listener = await Listener.open(world.transport(anyVariant), device);
  push(setting, device, 1);
  await until(() => story(listener).length === 1, "the first event");
  const before = listener.lastId;
  await outage(setting, () => {
    push(setting, device, 2);
    feed.prunedTo = feed.log.length;
  });
  push(setting, device, 3);
  await until(() => story(listener).includes(3), "the last event");
  expect(story(listener)).toEqual([1, "resync", 3]);
  const late = await Listener.open(world.transport(anyVariant), device, JSON.stringify({ resume_after: before }));
  await until(() => story(late).length > 0, "the resync");
  expect(story(late)).toEqual(["resync"]);
  for (const each of [listener, late]) each.leave();
});

/** What a device's command comes to. */
async function command({ world }: Setting, device: Device): Promise<string> {
  const client = createClient(Gateway, world.transport(anyVariant));
  const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
  return client.executeCommand(request).then(
    ({ envelope }) => envelope?.resultCode ?? "",
    (error) => reasonOf(error) ?? String(error),
  );
}

test("while the feed is down beyond its grace, and until what was missed has come, no session is believed from before", async () => {
  const setting = await openSetting(true, { "push.grace_ms": 100 });
  const { world } = setting;
  const [asking, silent, kept] = [await world.login(), await world.login(), await world.login()];
  for (const device of [asking, silent, kept]) expect(await command(setting, device)).toBe("ok");
  await outage(setting, async () => {
    // Within the grace, what is cached holds.
    for (const { deviceSessionId } of [asking, silent]) await world.revoke({ device_session_id: deviceSessionId });
    await until(async () => (await command(setting, asking)) === "SESSION_REVOKED", "the cache to be bypassed");
  });
  // The feed stands, and what it has missed is still to come; here, it never does.
  expect(await command(setting, silent)).toBe("SESSION_REVOKED");
  expect(await command(setting, kept)).toBe("ok");
});

test("whoever subscribed before the feed first stood is told to fetch anew when it does, and looked up again", async () => {
  const { feed, world } = await openSetting(true);
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const [revoked, device] = [await world.login(), await world.login()];
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const gateway = await startGateway({ config: world.config, log: silent });
  try {
    const transport = anyVariant.open(gateway.edgeUrl);
    const [doomed, safe] = [await Listener.open(transport, revoked), await Listener.open(transport, device)];
    await world.revoke({ device_session_id: revoked.deviceSessionId });
    gate.resolve();
    await until(() => doomed.ended !== undefined, "the stream to end");
    expect([story(doomed), doomed.ended]).toEqual([["resync"], "SESSION_REVOKED"]);
    expect([story(safe), safe.ended]).toEqual([["resync"], undefined]);
    safe.leave();
  } finally {
    await gateway.stop();
  }
});
