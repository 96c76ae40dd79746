import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import type { Config } from "../../../src/config/schema.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { outcomeOf } from "../../support/outcome.ts";
import { NO_REDIS, TestRedis } from "../../support/redis.ts";
import { until } from "../../support/until.ts";
import { VARIANTS, type Variant } from "../../support/variants.ts";
import { type Device, type World, withWorld } from "../../support/world.ts";

/** An attacker with a verified session. It is exempt from the failure budget of its network, but its failures have their own bucket. */

const EMPTY = new Uint8Array(0);
const BURST = 5;
const TRIES = 40;
const LOW_FAILURE_BUDGET: Partial<Config> = { "budgets.failures.rate": 0.001, "budgets.failures.burst": BURST };
const LIMITED = "RATE_LIMITED failures";

const withLowBudget = (config: Partial<Config>, run: (world: World) => Promise<void>) =>
  withWorld({ ...LOW_FAILURE_BUDGET, ...config }, run);

type Request = Awaited<ReturnType<typeof sign>>;
type Send = (request: object, headers?: Record<string, string>) => Promise<string>;

const sign = ({ signer }: Device) => signer.sign("user.profile.get", EMPTY);

/** Sends a command over one variant. Resolves to its result code or the reason of the refusal. */
function sender(world: World, variant: Variant): Send {
  const client = createClient(Gateway, world.transport(variant));
  return (request, headers = {}) =>
    outcomeOf(async () => (await client.executeCommand(request, { headers })).envelope?.resultCode);
}

/** Sends a subscription. Resolves to the type of its first event or the reason of the refusal. */
function subscriber(world: World, variant: Variant): Send {
  const client = createClient(Gateway, world.transport(variant));
  return (request) =>
    outcomeOf(async () => {
      for await (const { envelope } of client.subscribeEvents(request)) return envelope?.eventType;
      return "ended";
    });
}

const forged = async (device: Device) => ({ ...(await sign(device)), signature: new Uint8Array(64) });

function count(outcomes: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    Map.groupBy(outcomes, (each) => each)
      .entries()
      .map(([key, all]) => [key, all.length]),
  );
}

/** Sends one request after the other. */
async function inARow(tries: number, send: (at: number) => Promise<string>): Promise<string[]> {
  const outcomes: string[] = [];
  for (let at = 0; at < tries; at++) outcomes.push(await send(at));
  return outcomes;
}

const [variant = expect.unreachable()] = VARIANTS;

describe("after one valid request, bad signatures with the same session id", () => {
  test.each(VARIANTS)("over $name are verified only while the failure budget has tokens", (each) =>
    withLowBudget({}, async (world) => {
      const [device, send] = [await world.login(), sender(world, each)];
      expect(await send(await sign(device))).toBe("ok");
      const outcomes = await inARow(TRIES, async () => send(await forged(device)));
      expect(count(outcomes)).toEqual({ SIGNATURE_INVALID: BURST, [LIMITED]: TRIES - BURST });
    }),
  );

  test("share one budget over all protocols and both RPCs", () =>
    withLowBudget({}, async (world) => {
      const device = await world.login();
      const senders = VARIANTS.flatMap((each) => [sender(world, each), subscriber(world, each)]);
      expect(await sender(world, variant)(await sign(device))).toBe("ok");
      const tries = await inARow(TRIES, async (at) => {
        const messageType = at % 2 === 0 ? "user.profile.get" : "gateway.subscribe";
        const request = await device.signer.sign(messageType, EMPTY);
        return senders[at % senders.length]?.({ ...request, signature: new Uint8Array(64) }) ?? "";
      });
      expect(count(tries)).toEqual({ SIGNATURE_INVALID: BURST, [LIMITED]: TRIES - BURST });
    }));

  test("are limited if they arrive concurrently", () =>
    withLowBudget({}, async (world) => {
      const [device, send] = [await world.login(), sender(world, variant)];
      expect(await send(await sign(device))).toBe("ok");
      const requests = await Promise.all(Array.from({ length: 300 }, () => forged(device)));
      const outcomes = await Promise.all(requests.map((request) => send(request)));
      expect(count(outcomes)).toEqual({ SIGNATURE_INVALID: BURST, [LIMITED]: 300 - BURST });
    }));

  test("are limited even if valid requests come between them", () =>
    withLowBudget({}, async (world) => {
      const [device, send] = [await world.login(), sender(world, variant)];
      const bad = await inARow(TRIES, async () => {
        await send(await sign(device));
        return send(await forged(device));
      });
      expect(count(bad)).toEqual({ SIGNATURE_INVALID: BURST, [LIMITED]: TRIES - BURST });
    }));
});

const FAILURES: readonly (readonly [string, string, (device: Device, sent: Request) => Promise<object> | object])[] = [
  [
    "a swapped payload",
    "PAYLOAD_HASH_MISMATCH",
    async (device) => ({ ...(await sign(device)), payloadBytes: Buffer.from("x") }),
  ],
  [
    "an old timestamp",
    "TIMESTAMP_OUT_OF_WINDOW",
    (device) => device.signer.sign("user.profile.get", EMPTY, { timestampMs: 1 }),
  ],
  ["a replay", "REQUEST_REPLAYED", (_, sent) => sent],
];

test.each(FAILURES)("%s counts as a failure, as a bad signature does", (_, reason, failure) =>
  withLowBudget({}, async (world) => {
    const [device, send] = [await world.login(), sender(world, variant)];
    const sent = await sign(device);
    expect(await send(sent)).toBe("ok");
    const outcomes = await inARow(TRIES, async () => send(await failure(device, sent)));
    expect(count(outcomes)).toEqual({ [reason]: BURST, [LIMITED]: TRIES - BURST });
  }),
);

describe("for clients behind one address", () => {
  test("another exempt session stays exempt while the attacker's sessions fail", () =>
    withLowBudget({}, async (world) => {
      const send = sender(world, variant);
      const honest = await world.login();
      const attackers = [await world.login(), await world.login(), await world.login()];
      for (const device of [honest, ...attackers]) expect(await send(await sign(device))).toBe("ok");
      for (const device of attackers) {
        const outcomes = await inARow(TRIES, async () => send(await forged(device)));
        expect(count(outcomes)).toEqual({ SIGNATURE_INVALID: BURST, [LIMITED]: TRIES - BURST });
      }
      expect(count(await inARow(TRIES, async () => send(await sign(honest))))).toEqual({ ok: TRIES });
    }));

  test("failures with a session's id from another address do not limit the session at its own address", () =>
    withLowBudget({ trusted_proxies: ["127.0.0.0/8"] }, async (world) => {
      const [device, send] = [await world.login(), sender(world, variant)];
      const [ownAddress, otherAddress] = [{ "x-forwarded-for": "198.51.100.1" }, { "x-forwarded-for": "203.0.113.1" }];
      for (const headers of [ownAddress, otherAddress]) expect(await send(await sign(device), headers)).toBe("ok");
      const bad = await inARow(TRIES, async () => send(await forged(device), otherAddress));
      expect(count(bad)).toEqual({ SIGNATURE_INVALID: BURST, [LIMITED]: TRIES - BURST });
      expect(await send(await sign(device), ownAddress)).toBe("ok");
    }));
});

test("a limited session is served again as soon as its bucket has a token", () =>
  withLowBudget({ "budgets.failures.rate": 20, "budgets.failures.burst": 1 }, async (world) => {
    const [device, send] = [await world.login(), sender(world, variant)];
    expect(await send(await sign(device))).toBe("ok");
    expect(count(await Promise.all(Array.from({ length: 20 }, async () => send(await forged(device)))))).toMatchObject({
      SIGNATURE_INVALID: expect.any(Number),
      [LIMITED]: expect.any(Number),
    });
    await until(async () => (await send(await sign(device))) === "ok", "the next token");
  }));

test("concurrent valid requests of a session are all served: each failure permit is returned", () =>
  withLowBudget({}, async (world) => {
    const [device, send] = [await world.login(), sender(world, variant)];
    expect(await send(await sign(device))).toBe("ok");
    const requests = await Promise.all(Array.from({ length: 200 }, () => sign(device)));
    expect(count(await Promise.all(requests.map((request) => send(request))))).toEqual({ ok: 200 });
  }));

describe.skipIf(NO_REDIS !== undefined)(`on Redis${NO_REDIS === undefined ? "" : ` (skipped: ${NO_REDIS})`}`, () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.close());

  test("bad signatures of an exempt session are limited, both in sequence and concurrently", async () => {
    const stores = { "stores.kind": "redis", "stores.redis.url": redis.url, "stores.redis.durable": true } as const;
    await withLowBudget(stores, async (world) => {
      const send = sender(world, variant);
      const devices = [await world.login(), await world.login()];
      for (const device of devices) expect(await send(await sign(device))).toBe("ok");
      for (const [at, device] of devices.entries()) {
        const requests = await Promise.all(Array.from({ length: TRIES }, () => forged(device)));
        const outcomes =
          at === 0
            ? await inARow(TRIES, (nth) => send(requests[nth] ?? {}))
            : await Promise.all(requests.map((request) => send(request)));
        expect(count(outcomes)).toEqual({ SIGNATURE_INVALID: BURST, [LIMITED]: TRIES - BURST });
      }
    });
  });
});
