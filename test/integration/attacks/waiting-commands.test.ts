import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, createClient } from "@connectrpc/connect";
import { COMMAND_CALLS_MAX } from "../../../src/backend/rest/rest-backend.ts";
import { reasonOf } from "../../../src/client/errors.ts";
import type { Config } from "../../../src/config/schema.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { openStores } from "../../../src/stores/open.ts";
import { sessionPath } from "../../support/fault-backend.ts";
import { until } from "../../support/until.ts";
import { VARIANTS, type Variant } from "../../support/variants.ts";
import { type Device, metric, openWorld, type World } from "../../support/world.ts";

/** Commands that wait for the concurrency limit of backend calls. The session is checked again before the command is sent. */

const EMPTY = new Uint8Array(0);
const WAIT_PATH = "/api/v1/user/test/wait";
const PROFILE_PATH = "/api/v1/user/profile";
const TIMEOUT_MS = 20_000;

/** A world in which `hold` fills the concurrency limit with calls that the backend answers on `free`. */
class BusyWorld {
  readonly world: World;
  readonly #release = Promise.withResolvers<void>();
  readonly #holders: Promise<unknown>[] = [];

  private constructor(world: World) {
    this.world = world;
  }

  static async open(overrides: Partial<Config> = {}): Promise<BusyWorld> {
    const busy = new BusyWorld(await openWorld({ "backend.timeout_ms": TIMEOUT_MS, ...overrides }));
    busy.world.faults.on(WAIT_PATH, async () => {
      await busy.#release.promise;
      return Response.json({});
    });
    return busy;
  }

  async hold(): Promise<void> {
    const device = await this.world.login();
    const client = clientOf(this.world);
    for (let at = 0; at < COMMAND_CALLS_MAX; at++) {
      this.#holders.push(device.signer.sign("test.wait", EMPTY).then((request) => client.executeCommand(request)));
    }
    await until(() => this.world.faults.calls(WAIT_PATH) === COMMAND_CALLS_MAX, "the concurrency limit to be reached");
  }

  /** Sends a command. Resolves as soon as it has passed every check and waits. */
  async wait(device: Device, variant?: Variant): Promise<{ outcome: Promise<string> }> {
    const admitted = () => metric(this.world.gateway, "sallyport_replay_entries");
    const before = await admitted();
    const outcome = send(clientOf(this.world, variant), device);
    await until(async () => (await admitted()) > before, "the command to pass the checks");
    return { outcome };
  }

  async free(): Promise<void> {
    this.#release.resolve();
    await Promise.all(this.#holders);
  }

  get sent(): number {
    return this.world.faults.calls(PROFILE_PATH);
  }

  async invalidated(): Promise<number> {
    return metric(this.world.gateway, "sallyport_events_total", '{kind="session_invalidation"}');
  }

  async close(): Promise<void> {
    await this.free();
    await this.world.close();
  }
}

function clientOf(world: World, variant: Variant = VARIANTS[0] ?? expect.unreachable()): Client<typeof Gateway> {
  return createClient(Gateway, world.transport(variant));
}

async function send(client: Client<typeof Gateway>, device: Device, timeoutMs?: number): Promise<string> {
  const request = await device.signer.sign("user.profile.get", EMPTY);
  return client.executeCommand(request, timeoutMs === undefined ? {} : { timeoutMs }).then(
    ({ envelope }) => envelope?.resultCode ?? "",
    (error) => reasonOf(error) ?? String(error),
  );
}

describe("a session that is revoked while its command waits", () => {
  let busy: BusyWorld;
  beforeAll(async () => {
    busy = await BusyWorld.open();
  });
  afterAll(() => busy.close());

  test("is refused before its command is sent, over every protocol and way of revocation; other sessions' commands are sent", async () => {
    const { world } = busy;
    const devices = await Promise.all(VARIANTS.map(() => world.login()));
    const [byUser, byOperator, unaffected] = [await world.login(), await world.login(), await world.login()];
    await busy.hold();
    const waiting = [];
    for (const [at, device] of devices.entries()) waiting.push(await busy.wait(device, VARIANTS[at]));
    const [user, operator, kept] = [await busy.wait(byUser), await busy.wait(byOperator), await busy.wait(unaffected)];
    const before = await busy.invalidated();
    for (const { deviceSessionId } of devices) await world.revoke({ device_session_id: deviceSessionId });
    await world.revoke({ user_id: byUser.userId });
    await until(async () => (await busy.invalidated()) === before + devices.length + 1, "the revocations to arrive");
    const revoked = await fetch(`${world.gateway.adminUrl}/revoke`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ device_session_id: byOperator.deviceSessionId }),
    });
    expect(revoked.status).toBe(200);
    await busy.free();
    const outcomes = await Promise.all([...waiting, user, operator].map(({ outcome }) => outcome));
    expect(outcomes).toEqual(outcomes.map(() => "SESSION_REVOKED"));
    expect(await kept.outcome).toBe("ok");
    expect(busy.sent).toBe(1);
  });
});

describe("without a revocation on the push feed, the session is looked up before the command is sent", () => {
  const UNCACHED: Partial<Config> = { "session_cache.ttl_ms": 0 };
  const record = (device: Device, world: World) =>
    fetch(`${world.backend.restUrl}${sessionPath(device.deviceSessionId)}`).then((answer) => answer.json());

  test.each([
    [
      "revoked",
      "SESSION_REVOKED",
      async (device: Device, world: World) => ({ ...(await record(device, world)), status: "revoked" }),
    ],
    ["gone", "SESSION_NOT_FOUND", () => undefined],
    ["an invalid record", "SESSION_LOOKUP_UNAVAILABLE", () => "nonsense"],
  ] as const)("the session is %s", async (_, reason, answer) => {
    const busy = await BusyWorld.open(UNCACHED);
    const { world } = busy;
    const device = await world.login();
    await busy.hold();
    const waiting = await busy.wait(device);
    const body = await answer(device, world);
    world.faults.on(sessionPath(device.deviceSessionId), () =>
      body === undefined ? Response.json({ code: "session_unknown" }, { status: 404 }) : Response.json(body),
    );
    await busy.free();
    expect(await waiting.outcome).toBe(reason);
    expect(busy.sent).toBe(0);
    await busy.close();
  });

  test("a look-up without an answer ends with the client's deadline and frees its place", async () => {
    const busy = await BusyWorld.open({ ...UNCACHED, "backend.session_timeout_ms": TIMEOUT_MS });
    const { world } = busy;
    const device = await world.login();
    await busy.hold();
    const admitted = await metric(world.gateway, "sallyport_replay_entries");
    const outcome = send(clientOf(world), device, 1500);
    await until(async () => (await metric(world.gateway, "sallyport_replay_entries")) > admitted, "the command to wait");
    const late = Promise.withResolvers<Response>();
    const lookUps = world.faults.calls(sessionPath(device.deviceSessionId));
    world.faults.on(sessionPath(device.deviceSessionId), () => late.promise);
    await busy.free();
    await until(() => world.faults.calls(sessionPath(device.deviceSessionId)) === lookUps + 1, "the look-up to begin");
    expect(await outcome).toContain("deadline_exceeded");
    late.resolve(Response.json({}));
    expect(await send(clientOf(world), await world.login())).toBe("ok");
    expect(busy.sent).toBe(1);
    await busy.close();
  });
});

test("a revocation that arrives during the later checks stops a command that does not wait", async () => {
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let isHeld = false;
  const world = await openWorld(
    {},
    {
      openStores: async (...parts) => {
        const stores = await openStores(...parts);
        const reserve = async (...reservation: Parameters<typeof stores.replay.reserve>) => {
          const first = await stores.replay.reserve(...reservation);
          if (isHeld) reached.resolve();
          if (isHeld) await go.promise;
          return first;
        };
        return { ...stores, replay: { reserve } };
      },
    },
  );
  const device = await world.login();
  isHeld = true;
  const outcome = send(clientOf(world), device);
  await reached.promise;
  await world.revoke({ device_session_id: device.deviceSessionId });
  await until(
    async () => (await metric(world.gateway, "sallyport_events_total", '{kind="session_invalidation"}')) === 1,
    "the revocation to arrive",
  );
  go.resolve();
  expect(await outcome).toBe("SESSION_REVOKED");
  expect(world.faults.calls(PROFILE_PATH)).toBe(0);
  await world.close();
});

test("a command of an unchanged session needs no further look-up, whether it waits or not", async () => {
  const busy = await BusyWorld.open();
  const { world } = busy;
  const device = await world.login();
  await busy.hold();
  const waiting = await busy.wait(device);
  await busy.free();
  expect(await waiting.outcome).toBe("ok");
  expect(await send(clientOf(world), device)).toBe("ok");
  expect(world.faults.calls(sessionPath(device.deviceSessionId))).toBe(1);
  await busy.close();
});
