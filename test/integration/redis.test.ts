import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Config } from "../../src/config/schema.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { sessionPath } from "../support/fault-backend.ts";
import { type Fleet, openFleet } from "../support/fleet.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import type { Device } from "../support/world.ts";

/** Two gateways on one Redis. */

const EMPTY = new Uint8Array(0);
const READ = "user.profile.get";
const COPIES = 200;
const CONFIRM = "/api/v1/public/auth/confirm-email-code";
/** The base point, a valid public key (RFC 8032 5.1). */
const KEY = Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64");

function count(outcomes: readonly string[], wanted: string): number {
  return outcomes.filter((outcome) => outcome === wanted).length;
}

describe.skipIf(NO_REDIS !== undefined)(NO_REDIS ?? "two gateways on one Redis", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.close());

  async function withFleet(overrides: Partial<Config>, run: (fleet: Fleet) => Promise<void>): Promise<void> {
    await redis.ask("FLUSHALL");
    const fleet = await openFleet(redis, overrides);
    try {
      await run(fleet);
    } finally {
      await fleet.close();
    }
  }

  test("the start logs the server and its version", () =>
    withFleet({}, async ({ logged, processes }) => {
      const version = /redis_version:(\S+)/.exec(String(await redis.ask("INFO", "server")))?.[1];
      const lines = () =>
        logged()
          .split("\n")
          .filter((line) => line.includes("redis connected"));
      await until(() => lines().length === processes, "both gateways to log it");
      for (const line of lines())
        expect(JSON.parse(line)).toMatchObject({ server: "redis", version, address: `127.0.0.1:${redis.port}` });
    }));

  test("one request, sent 200 times concurrently to both gateways, is accepted once", () =>
    withFleet({}, async ({ world, send }) => {
      const { signer } = await world.login();
      const request = await signer.sign(READ, EMPTY);
      const outcomes = await Promise.all(Array.from({ length: COPIES }, (_, at) => send(at, request)));
      expect(count(outcomes, "ok")).toBe(1);
      expect(count(outcomes, "REQUEST_REPLAYED")).toBe(COPIES - 1);
    }));

  test("a session has one burst for both gateways", () =>
    withFleet({ "budgets.session.rate": 0.001, "budgets.session.burst": 10 }, async ({ world, send }) => {
      const { signer } = await world.login();
      const requests = await Promise.all(Array.from({ length: 60 }, () => signer.sign(READ, EMPTY)));
      const outcomes = await Promise.all(requests.map((request, at) => send(at, request)));
      expect(count(outcomes, "ok")).toBe(10);
      expect(count(outcomes, "RATE_LIMITED")).toBe(50);
    }));

  test("an e-mail address has one budget of codes for both gateways", () =>
    withFleet({ "budgets.send_code.rate": 0.001, "budgets.send_code.burst": 3 }, async ({ gateways }) => {
      const ask = (at: number) =>
        fetch(`${gateways[at % 2]?.edgeUrl}/api/v1/public/auth/send-email-code`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ email: "mailbomb@example.com" }),
        }).then(({ status }) => String(status));
      const statuses = await Promise.all(Array.from({ length: 20 }, (_, at) => ask(at)));
      expect(count(statuses, "200")).toBe(3);
      expect(count(statuses, "429")).toBe(17);
    }));

  test("the guesses of a code have one budget for both gateways and all addresses", () =>
    withFleet(
      { "budgets.confirm_code.rate": 0.001, "budgets.confirm_code.burst": 5, trusted_proxies: ["127.0.0.1"] },
      async ({ world, gateways }) => {
        const guess = (at: number) =>
          fetch(`${gateways[at % 2]?.edgeUrl}${CONFIRM}`, {
            method: "POST",
            headers: { "content-type": "application/json", "x-forwarded-for": `198.18.0.${at % 250}` },
            body: JSON.stringify({ challenge_id: "c-1", code: String(at), client_public_key: KEY }),
          });
        const answers = await Promise.all(Array.from({ length: 500 }, (_, at) => guess(at)));
        expect(world.faults.calls(CONFIRM)).toBe(5);
        expect(answers.filter(({ status, headers }) => status === 429 && headers.has("retry-after"))).toHaveLength(495);
      },
    ));

  test("an address has one budget of public calls for both gateways", () =>
    withFleet({ "budgets.public_auth.rate": 0.001, "budgets.public_auth.burst": 4 }, async ({ world, gateways }) => {
      const ask = (at: number) =>
        fetch(`${gateways[at % 2]?.edgeUrl}/api/v1/public/auth/send-email-code`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ email: `person-${at}@example.com` }),
        });
      await Promise.all(Array.from({ length: 40 }, (_, at) => ask(at)));
      expect(world.faults.calls("/api/v1/public/auth/send-email-code")).toBe(4);
    }));

  test("an address that guesses session ids at both gateways costs the backend at most one failure budget per gateway", () =>
    withFleet({ "budgets.failures.rate": 0.001, "budgets.failures.burst": 10 }, async ({ world, send }) => {
      const { signer } = await world.login();
      const guesses = Array.from({ length: 300 }, (_, at) => `guess-${at}`);
      const outcomes = await Promise.all(
        guesses.map(async (deviceSessionId, at) => {
          const request = await signer.sign(READ, EMPTY);
          return send(at, { ...request, envelope: { ...request.envelope, deviceSessionId } });
        }),
      );
      expect(count(outcomes, "SESSION_NOT_FOUND")).toBeGreaterThanOrEqual(10);
      expect(guesses.reduce((sum, guess) => sum + world.faults.calls(sessionPath(guess)), 0)).toBeLessThanOrEqual(2 * 10);
      const later = await signer.sign(READ, EMPTY);
      for (const gateway of [0, 1]) {
        const guess = { ...later, envelope: { ...later.envelope, deviceSessionId: "guess-later" } };
        expect(await send(gateway, guess)).toBe("RATE_LIMITED");
      }
    }));

  test("an address with an empty failure budget at one gateway is refused by the other after its next failure there", () =>
    withFleet({ "budgets.failures.rate": 0.001, "budgets.failures.burst": 3 }, async ({ world, send }) => {
      const { signer } = await world.login();
      const forged = async () => ({ ...(await signer.sign(READ, EMPTY)), signature: new Uint8Array(64) });
      for (let at = 0; at < 3; at++) expect(await send(0, await forged())).toBe("SIGNATURE_INVALID");
      expect(await send(0, await forged())).toBe("RATE_LIMITED");
      expect(await send(1, await forged())).toBe("SIGNATURE_INVALID");
      expect(await send(1, await forged())).toBe("RATE_LIMITED");
    }));

  test("a revoked session is refused by both gateways", () =>
    withFleet({}, async ({ world, send }) => {
      const device = await world.login();
      const sendTo = async (gateway: number) => send(gateway, await device.signer.sign(READ, EMPTY));
      for (const gateway of [0, 1]) expect(await sendTo(gateway)).toBe("ok");
      await world.revoke({ device_session_id: device.deviceSessionId });
      for (const gateway of [0, 1]) {
        await until(async () => (await sendTo(gateway)) === "SESSION_REVOKED", "the revocation to arrive");
      }
    }));

  test("a revocation by an operator at one gateway reaches the other, and the reply says so", () =>
    withFleet({}, async ({ world, gateways, send }) => {
      const [revoked, kept] = [await world.login(), await world.login()];
      const [first, second] = gateways;
      const listenAt = (device: Device) =>
        EventSubscriber.open(createConnectTransport({ baseUrl: second.edgeUrl, httpVersion: "2" }), device);
      const [revokedStream, keptStream] = [await listenAt(revoked), await listenAt(kept)];
      const body = JSON.stringify({ device_session_id: revoked.deviceSessionId });
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${first.adminUrl}/revoke`, { method: "POST", body, headers });
      expect(await answer.json()).toEqual({ streams_ended: 0, everywhere: true });
      await until(() => revokedStream.ended !== undefined, "the other gateway to end the stream");
      expect(revokedStream.ended).toBe("SESSION_REVOKED");
      expect(await send(1, await revoked.signer.sign(READ, EMPTY))).toBe("SESSION_REVOKED");
      expect([keptStream.ended, await send(1, await kept.signer.sign(READ, EMPTY))]).toEqual([undefined, "ok"]);
      keptStream.leave();
    }));

  test("replays do not spend the budget of the session", () =>
    withFleet({ "budgets.session.rate": 0.001, "budgets.session.burst": 2 }, async ({ world, send }) => {
      const { signer } = await world.login();
      const request = await signer.sign(READ, EMPTY);
      expect(await send(0, request)).toBe("ok");
      for (let at = 0; at < 10; at++) expect(await send(at, request)).toBe("REQUEST_REPLAYED");
      expect(await send(1, await signer.sign(READ, EMPTY))).toBe("ok");
    }));

  test.each([
    ["enforced budgets", {}],
    ["two budgets in shadow mode", { "budgets.ip.shadow": true, "budgets.user.shadow": true }],
  ])("a request costs at most two round trips with %s, and fewer if it is refused early", (_, budgets) =>
    withFleet(budgets, async ({ world, send }) => {
      const { signer } = await world.login();
      for (const gateway of [0, 1]) await send(gateway, await signer.sign(READ, EMPTY));
      const roundTripsOf = (request: Parameters<typeof send>[1], times: number) =>
        redis.roundTripsOf(async () => {
          for (let at = 0; at < times; at++) await send(at, request);
        });
      const accepted = await signer.sign(READ, EMPTY);
      expect(await roundTripsOf(accepted, 1)).toBe(2);
      expect(await roundTripsOf(accepted, 5)).toBe(5 * 2);
      expect(await roundTripsOf({ ...accepted, signature: new Uint8Array(64) }, 5)).toBe(5);
    }),
  );
});
