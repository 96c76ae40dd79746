import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { startGateway } from "../../src/app/gateway.ts";
import { reasonOf } from "../../src/client/errors.ts";
import { clientOf, type Fleet, openFleet } from "../support/fleet.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { type Device, metric } from "../support/world.ts";

/** Two gateways during an outage of their Redis: killed, hanging, flushed, restarted. */

const EMPTY = new Uint8Array(0);
const READ = "user.profile.get";
/** So long that a request from before the outage is still fresh when new requests are accepted. */
const WINDOW_MS = 5000;
const MARGIN_MS = 1000;
const CONFIG = {
  "freshness.window_ms": WINDOW_MS,
  "freshness.margin_ms": MARGIN_MS,
  "stores.redis.timeout_ms": 200,
  "stores.redis.durable": false,
};

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "a Redis outage", () => {
  let redis: TestRedis;
  let fleet: Fleet;
  let device: Device;
  beforeEach(async () => {
    redis = await TestRedis.start();
    fleet = await openFleet(redis, CONFIG);
    device = await fleet.world.login();
    await untilServing(fleet);
  });
  afterEach(async () => {
    await fleet.close();
    await redis.close();
  });

  /** Resolves when both gateways accept requests. */
  async function untilServing({ gateways, send }: Fleet): Promise<void> {
    const sign = () => device.signer.sign(READ, EMPTY);
    for (const index of gateways.keys()) {
      await until(async () => (await send(index, await sign())) === "ok", "requests to be accepted");
    }
  }

  test("after a kill under load and a restart without data, no request is accepted twice, and service recovers", async () => {
    const { signer } = device;
    const sign = () => signer.sign(READ, EMPTY);
    const sent: Awaited<ReturnType<typeof sign>>[] = [];
    const accepted = new Map<string, number>();
    const refusals = new Set<string>();
    const send = async (gateway: number, request: Awaited<ReturnType<typeof sign>>) => {
      const outcome = await fleet.send(gateway, request);
      const id = request.envelope.requestId;
      if (outcome === "ok") accepted.set(id, (accepted.get(id) ?? 0) + 1);
      else refusals.add(outcome);
      return outcome;
    };
    let isLoaded = true;
    const load = [0, 1, 0, 1].map(async (gateway) => {
      while (isLoaded) {
        const request = await sign();
        sent.push(request);
        await Promise.all([send(gateway, request), send(gateway + 1, request)]);
      }
    });
    await until(() => accepted.size > 100, "100 accepted requests");
    await redis.kill();
    await until(() => refusals.has("REPLAY_STORE_UNAVAILABLE"), "the outage to be noticed");
    for (const gateway of fleet.gateways) {
      const reasons = async () => (await fetch(`${gateway.adminUrl}/readyz`)).text();
      await until(async () => (await reasons()).includes("Redis is unreachable: "), "the reason");
      expect(await metric(gateway, "sallyport_redis_up")).toBe(0);
    }
    const revoked = await fetch(`${fleet.world.gateway.adminUrl}/revoke`, {
      method: "POST",
      body: JSON.stringify({ user_id: "nobody" }),
      headers: { "content-type": "application/json" },
    });
    expect(await revoked.json()).toEqual({ streams_ended: 0, everywhere: false });
    const acceptedBefore = accepted.size;
    for (const request of sent.slice(-20)) expect(await send(0, request)).toBe("REPLAY_STORE_UNAVAILABLE");
    expect(accepted.size).toBe(acceptedBefore);
    isLoaded = false;
    await Promise.all(load);

    // The accepted requests are replayed until new requests are accepted.
    const repeats = sent.filter(({ envelope }) => accepted.has(envelope.requestId)).slice(-50);
    expect(repeats).toHaveLength(50);
    await redis.start();
    let isServing = false;
    const attack = [0, 1].map(async (gateway) => {
      while (!isServing) await Promise.all(repeats.map((request) => send(gateway, request)));
      await Promise.all(repeats.map((request) => send(gateway, request)));
    });
    await untilServing(fleet);
    isServing = true;
    await Promise.all(attack);
    for (const { adminUrl } of fleet.gateways) await until(async () => (await fetch(`${adminUrl}/readyz`)).ok, "to be ready");
    expect([...accepted].filter(([, times]) => times > 1)).toEqual([]);
    // RATE_LIMITED: Redis was killed between the reservation and the budgets of a request.
    expect(["REPLAY_STORE_UNAVAILABLE", "REQUEST_REPLAYED", "TIMESTAMP_OUT_OF_WINDOW", "RATE_LIMITED"]).toEqual(
      expect.arrayContaining([...refusals]),
    );
    await until(() => fleet.logged().includes("redis quarantine started"), "the quarantine to be logged");
    expect(fleet.logged()).toContain("redis connection lost");
  }, 60_000);

  test("while Redis hangs, one request waits for the timeout and the next ones fail fast; afterwards both gateways recover", async () => {
    const { signer } = device;
    const sign = () => signer.sign(READ, EMPTY);
    const quarantines = () => fleet.logged().split("redis quarantine started").length;
    const quarantinesBefore = quarantines();
    redis.suspend();
    const startedMs = performance.now();
    for (let at = 0; at < 20; at++) expect(await fleet.send(0, await sign())).toBe("REPLAY_STORE_UNAVAILABLE");
    expect(performance.now() - startedMs).toBeLessThan(20 * 200);
    redis.resume();
    await untilServing(fleet);
    // Redis lost nothing, so there was no quarantine.
    expect(quarantines()).toBe(quarantinesBefore);
  }, 60_000);

  test("with a new Redis, the start waits for the quarantine, and then the first request is accepted", async () => {
    const fresh = await TestRedis.start();
    const startedMs = performance.now();
    const young = await openFleet(fresh, CONFIG);
    expect(performance.now() - startedMs).toBeGreaterThan(MARGIN_MS);
    await until(() => young.logged().includes("start delayed by redis quarantine"), "the log line");
    const { signer } = await young.world.login();
    for (const gateway of [0, 1]) expect(await young.send(gateway, await signer.sign(READ, EMPTY))).toBe("ok");
    await young.close();
    await fresh.close();
  });

  test("after Redis and all gateways were killed, no request is accepted twice", async () => {
    const request = await device.signer.sign(READ, EMPTY);
    expect(await fleet.send(0, request)).toBe("ok");
    await Promise.all(fleet.gateways.map((gateway) => gateway.stop()));
    await redis.kill();
    await redis.start();
    const gateway = await startGateway({ config: fleet.world.config, log: SILENT_LOG });
    const client = clientOf(gateway.edgeUrl);
    const send = async (each: typeof request) =>
      client.executeCommand(each).then(
        () => "ok",
        (error) => reasonOf(error),
      );
    try {
      const outcomes = new Set<unknown>();
      await until(async () => {
        outcomes.add(await send(request));
        return (await send(await device.signer.sign(READ, EMPTY))) === "ok";
      }, "new requests to be accepted");
      outcomes.add(await send(request));
      expect([...outcomes]).toEqual(["REPLAY_STORE_UNAVAILABLE"]);
    } finally {
      await gateway.stop();
    }
  }, 60_000);

  test("after a flush, no request is accepted twice", async () => {
    const { signer } = device;
    const sign = () => signer.sign(READ, EMPTY);
    const requests = await Promise.all(Array.from({ length: 10 }, sign));
    for (const request of requests) expect(await fleet.send(0, request)).toBe("ok");
    await redis.ask("FLUSHALL");
    const outcomes = new Set<string>();
    const repeat = async () => {
      for (const gateway of [0, 1]) {
        for (const request of requests) outcomes.add(await fleet.send(gateway, request));
      }
    };
    let isServing = false;
    const attack = (async () => {
      while (!isServing) await repeat();
      await repeat();
    })();
    await untilServing(fleet);
    isServing = true;
    await attack;
    expect([...outcomes]).toEqual(["REPLAY_STORE_UNAVAILABLE"]);
  }, 60_000);
});
