import { describe, expect, test } from "bun:test";
import { type Client, createClient } from "@connectrpc/connect";
import { refusalOf } from "../../../src/client/errors.ts";
import type { Config } from "../../../src/config/schema.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { sessionPath } from "../../support/fault-backend.ts";
import { outcomeOf } from "../../support/outcome.ts";
import { VARIANTS, type Variant } from "../../support/variants.ts";
import { type Device, metric, type World, withWorld } from "../../support/world.ts";

/** One client that sends many failing requests from one address. */

const EMPTY = new Uint8Array(0);
const BURST = 5;
const LOW_FAILURE_BUDGET: Partial<Config> = { "budgets.failures.rate": 0.001, "budgets.failures.burst": BURST };

const [variant = undefined] = VARIANTS;
const clientOf = (world: World, each: Variant = variant ?? expect.unreachable()) =>
  createClient(Gateway, world.transport(each));

const outcome = (client: Client<typeof Gateway>, request: object, headers: HeadersInit = {}) =>
  outcomeOf(async () => (await client.executeCommand(request, { headers })).envelope?.resultCode);

const sign = (device: Device) => device.signer.sign("user.profile.get", EMPTY);

async function forged(device: Device, deviceSessionId: string) {
  const request = await sign(device);
  return { ...request, envelope: { ...request.envelope, deviceSessionId } };
}

describe("guessing session ids", () => {
  test.each(VARIANTS)("over $name is refused without a look-up as soon as the budget is spent", (each) =>
    withWorld(LOW_FAILURE_BUDGET, async (world) => {
      const [device, client] = [await world.login(), clientOf(world, each)];
      for (let guess = 0; guess < BURST; guess++) {
        expect(await outcome(client, await forged(device, `guess-${guess}`))).toBe("SESSION_NOT_FOUND");
      }
      expect(await outcome(client, await forged(device, "guess-last"))).toBe("RATE_LIMITED failures");
      expect(world.faults.calls(sessionPath("guess-0"))).toBe(1);
      expect(world.faults.calls(sessionPath("guess-last"))).toBe(0);
    }),
  );

  test("spends one budget over all protocols", () =>
    withWorld(LOW_FAILURE_BUDGET, async (world) => {
      const device = await world.login();
      for (let guess = 0; guess < BURST; guess++) {
        const client = clientOf(world, VARIANTS[guess % VARIANTS.length]);
        expect(await outcome(client, await forged(device, `guess-${guess}`))).toBe("SESSION_NOT_FOUND");
      }
      for (const each of VARIANTS) {
        expect(await outcome(clientOf(world, each), await forged(device, "guess-last"))).toBe("RATE_LIMITED failures");
      }
    }));

  test("is refused with the time until the next token, and is checked again after that time", () =>
    withWorld({ "budgets.failures.rate": 20, "budgets.failures.burst": 1 }, async (world) => {
      const [device, client] = [await world.login(), clientOf(world)];
      await outcome(client, await forged(device, "guess-0"));
      const error = await client.executeCommand(await forged(device, "guess-1")).catch((thrown) => thrown);
      const retryAfterMs = refusalOf(error)?.retryAfterMs ?? expect.unreachable();
      expect(retryAfterMs).toBeGreaterThan(0);
      expect(retryAfterMs).toBeLessThanOrEqual(50);
      await Bun.sleep(retryAfterMs + 1);
      expect(await outcome(client, await forged(device, "guess-2"))).toBe("SESSION_NOT_FOUND");
    }));

  test("cannot get another budget with a spoofed X-Forwarded-For: without trusted proxies the socket's address counts", () =>
    withWorld(LOW_FAILURE_BUDGET, async (world) => {
      const [device, client] = [await world.login(), clientOf(world)];
      for (let guess = 0; guess <= BURST; guess++) {
        const headers = {
          "x-forwarded-for": `198.51.100.${guess}`,
          "x-real-ip": `198.51.100.${guess}`,
          forwarded: `for=198.51.100.${guess}`,
        };
        const expected = guess < BURST ? "SESSION_NOT_FOUND" : "RATE_LIMITED failures";
        expect(await outcome(client, await forged(device, `guess-${guess}`), headers)).toBe(expected);
      }
    }));

  test("behind a trusted proxy spends the budget of the client that the proxy names, not of the proxy or of a spoofed address", () =>
    withWorld({ ...LOW_FAILURE_BUDGET, trusted_proxies: ["127.0.0.0/8"] }, async (world) => {
      const [device, client] = [await world.login(), clientOf(world)];
      for (let guess = 0; guess <= BURST; guess++) {
        const headers = { "x-forwarded-for": `203.0.113.${guess}, 198.51.100.7` };
        const expected = guess < BURST ? "SESSION_NOT_FOUND" : "RATE_LIMITED failures";
        expect(await outcome(client, await forged(device, `guess-${guess}`), headers)).toBe(expected);
      }
      expect(await outcome(client, await sign(device), { "x-forwarded-for": "198.51.100.8" })).toBe("ok");
    }));
});

test("each failure of checks 1 to 6 spends a token, and a success spends none", () =>
  withWorld({ "budgets.failures.rate": 0.001, "budgets.failures.burst": 100 }, async (world) => {
    const [device, client] = [await world.login(), clientOf(world)];
    const good = await sign(device);
    const failures: (() => Promise<object>)[] = [
      async () => ({ ...(await sign(device)), envelope: undefined }),
      () => forged(device, "nobody"),
      async () => ({ ...(await sign(device)), payloadBytes: new Uint8Array(1) }),
      async () => ({ ...(await sign(device)), signature: new Uint8Array(64) }),
      () => device.signer.sign("user.profile.get", EMPTY, { timestampMs: 1 }),
      async () => good,
    ];
    expect(await outcome(client, good)).toBe("ok");
    for (let n = 0; n < 20; n++) expect(await outcome(client, await sign(device))).toBe("ok");
    const spentBy: string[] = [];
    for (const failure of failures) spentBy.push(await outcome(client, await failure()));
    expect(spentBy).toEqual([
      "MALFORMED_ENVELOPE",
      "SESSION_NOT_FOUND",
      "PAYLOAD_HASH_MISMATCH",
      "SIGNATURE_INVALID",
      "TIMESTAMP_OUT_OF_WINDOW",
      "REQUEST_REPLAYED",
    ]);
    for (let rest = failures.length; rest < 100; rest++) expect(await outcome(client, {})).toBe("MALFORMED_ENVELOPE");
    expect(await outcome(client, {})).toBe("RATE_LIMITED failures");
  }));

test("one failing client does not lock out verified peers behind the same address", () =>
  withWorld(LOW_FAILURE_BUDGET, async (world) => {
    const [good, newcomer, bad] = [await world.login(), await world.login(), await world.login()];
    const client = clientOf(world);
    expect(await outcome(client, await sign(good))).toBe("ok");
    for (let n = 0; n < BURST + 3; n++) await outcome(client, { ...(await sign(bad)), signature: new Uint8Array(64) });
    expect(await outcome(client, await sign(bad))).toBe("RATE_LIMITED failures");
    for (const each of VARIANTS) expect(await outcome(clientOf(world, each), await sign(good))).toBe("ok");
    // A session that is not verified from this address yet is refused: nothing distinguishes it from the failing client.
    expect(await outcome(client, await sign(newcomer))).toBe("RATE_LIMITED failures");
  }));

test.each([
  ["replayed", "REQUEST_REPLAYED", 0],
  ["a year old", "TIMESTAMP_OUT_OF_WINDOW", 365 * 86_400_000],
])("a captured request that is %s does not mark its sender as a verified peer", (_, reason, ageMs) =>
  withWorld({ ...LOW_FAILURE_BUDGET, trusted_proxies: ["127.0.0.0/8"] }, async (world) => {
    const [victim, client] = [await world.login(), clientOf(world)];
    const captured = await victim.signer.sign("user.profile.get", EMPTY, { timestampMs: Date.now() - ageMs });
    await outcome(client, captured, { "x-forwarded-for": "198.51.100.1" });
    const thief = { "x-forwarded-for": "203.0.113.1" };
    for (let n = 0; n < BURST; n++) expect(await outcome(client, captured, thief)).toBe(reason);
    expect(await outcome(client, captured, thief)).toBe("RATE_LIMITED failures");
  }),
);

test("a rate-limited request spends no failure token", () =>
  withWorld({ ...LOW_FAILURE_BUDGET, "budgets.session.rate": 0.001, "budgets.session.burst": 1 }, async (world) => {
    const [busy, other, client] = [await world.login(), await world.login(), clientOf(world)];
    expect(await outcome(client, await sign(busy))).toBe("ok");
    for (let n = 0; n < 2 * BURST; n++) expect(await outcome(client, await sign(busy))).toBe("RATE_LIMITED session");
    expect(await outcome(client, await sign(other))).toBe("ok");
  }));

test("a flood of guesses is counted in the metrics by reason", () =>
  withWorld({}, async (world) => {
    const [device, client] = [await world.login(), clientOf(world)];
    await Promise.all(Array.from({ length: 50 }, async (_, n) => outcome(client, await forged(device, `guess-${n}`))));
    expect(await metric(world.gateway, "sallyport_refusals_total", '{reason="SESSION_NOT_FOUND"}')).toBe(50);
  }));
