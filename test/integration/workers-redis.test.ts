import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Config } from "../../src/config/schema.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { sessionPath } from "../support/fault-backend.ts";
import { type Fleet, openFleet } from "../support/fleet.ts";
import { COUNT, COUNT_PATH, KEEPING_ROUTES } from "../support/keeping-gateways.ts";
import { send as sendKeyed, signKeyed } from "../support/keyed-commands.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import type { Device } from "../support/world.ts";

/** Two gateways on one Redis, with two workers each. What holds over gateways holds over their workers. */

const NOT_HERE = process.platform === "linux" ? NO_REDIS : "skipped: workers need Linux";
const WORKERS = 2;
const EMPTY = new Uint8Array();
const READ = "user.profile.get";
const count = (outcomes: readonly string[], wanted: string) => outcomes.filter((outcome) => outcome === wanted).length;

describe.skipIf(NOT_HERE !== undefined)(NOT_HERE ?? "two gateways with two workers each, on one Redis", () => {
  let redis: TestRedis;
  let fleet: Fleet | undefined;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterEach(() => fleet?.close());
  afterAll(() => redis.close());

  async function open(overrides: Partial<Config> = {}): Promise<Fleet> {
    await redis.ask("FLUSHALL");
    fleet = await openFleet(redis, overrides, WORKERS);
    return fleet;
  }

  const read = (device: Device) => device.signer.sign(READ, EMPTY);

  test("a request that is sent to every worker is accepted once, and a budget holds over all workers", async () => {
    const { world, send } = await open({ "budgets.session.rate": 0.001, "budgets.session.burst": 10 });
    const device = await world.login();
    const request = await read(device);
    const copies = await Promise.all(Array.from({ length: 100 }, (_, at) => send(at, request)));
    expect([count(copies, "ok"), count(copies, "REQUEST_REPLAYED")]).toEqual([1, 99]);
    const requests = await Promise.all(Array.from({ length: 60 }, () => read(device)));
    const outcomes = await Promise.all(requests.map((each, at) => send(at, each)));
    expect([count(outcomes, "ok"), count(outcomes, "RATE_LIMITED")]).toEqual([9, 51]);
  });

  test("a guesser costs the backend at most one failure budget per gateway, not per worker", async () => {
    const { world, send } = await open({ "budgets.failures.rate": 0.001, "budgets.failures.burst": 8 });
    const device = await world.login();
    const guesses = Array.from({ length: 200 }, (_, at) => `guess-${at}`);
    await Promise.all(
      guesses.map(async (deviceSessionId, at) => {
        const request = await read(device);
        return send(at, { ...request, envelope: { ...request.envelope, deviceSessionId } });
      }),
    );
    const lookUps = guesses.reduce((sum, guess) => sum + world.faults.calls(sessionPath(guess)), 0);
    expect(lookUps).toBeGreaterThanOrEqual(8);
    expect(lookUps).toBeLessThanOrEqual(2 * 8);
  });

  test("an operator's revocation at one gateway reaches every worker of the other", async () => {
    const { world, gateways, send } = await open();
    const device = await world.login();
    const [first, second] = gateways;
    const transport = () => createConnectTransport({ baseUrl: second.edgeUrl, httpVersion: "1.1" });
    const streams = await Promise.all(Array.from({ length: 6 }, () => EventSubscriber.open(transport(), device)));
    for (let at = 0; at < 8; at++) expect(await send(1, await read(device))).toBe("ok");
    const body = JSON.stringify({ device_session_id: device.deviceSessionId });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${first.adminUrl}/revoke`, { method: "POST", body, headers });
    expect(await answer.json()).toEqual({ streams_ended: 0, everywhere: true });
    for (const stream of streams) await until(() => stream.ended === "SESSION_REVOKED", "the end of the stream");
    const later = await Promise.all(Array.from({ length: 16 }, async () => send(1, await read(device))));
    expect(new Set(later)).toEqual(new Set(["SESSION_REVOKED"]));
  });

  test("attempts at one command at all workers are executed once, after a kill of a worker too", async () => {
    const { world, gateways } = await open({ routes: KEEPING_ROUTES });
    const device = await world.login();
    let executions = 0;
    world.faults.on(COUNT_PATH, () => Response.json({ execution: executions++ }));
    const attempts = (key: string) =>
      Promise.allSettled(
        Array.from({ length: 40 }, async (_, at) => {
          const baseUrl = gateways[at % 2]?.edgeUrl ?? "";
          const command = await signKeyed(device, { messageType: COUNT, idempotencyKey: key });
          return sendKeyed(createConnectTransport({ baseUrl, httpVersion: "1.1" }), command);
        }),
      );
    await attempts("order-00000001");
    expect(executions).toBe(1);
    const workers = Bun.spawnSync(["pgrep", "-P", String(process.pid), "-f", "main.ts worker"]).stdout.toString();
    process.kill(Number(workers.split("\n")[0]), "SIGKILL");
    await attempts("order-00000001");
    expect(executions).toBe(1);
  });

  test("after a flush of Redis, no worker accepts an earlier request again, and service recovers", async () => {
    const { world, send } = await open({ "stores.redis.durable": false, "freshness.margin_ms": 1000 });
    const device = await world.login();
    const requests = await Promise.all(Array.from({ length: 16 }, () => read(device)));
    const outcomes = await Promise.all(requests.map((request, at) => send(at, request)));
    expect(count(outcomes, "ok")).toBe(16);
    await redis.ask("FLUSHALL");
    for (let round = 0; round < 4; round++) {
      const again = await Promise.all(requests.map((request, at) => send(at + round, request)));
      expect(count(again, "ok")).toBe(0);
    }
    const isServed = async () =>
      count(await Promise.all(Array.from({ length: 8 }, async (_, at) => send(at, await read(device)))), "ok") === 8;
    await until(isServed, "all workers to serve again");
    expect(count(await Promise.all(requests.map((request, at) => send(at, request))), "ok")).toBe(0);
  }, 60_000);
});
