import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { refusalOf } from "../../../src/client/errors.ts";
import type { Config } from "../../../src/config/schema.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { NO_REDIS, TestRedis } from "../../support/redis.ts";
import { until } from "../../support/until.ts";
import { VARIANTS, type Variant } from "../../support/variants.ts";
import { type Device, openWorld, type World } from "../../support/world.ts";

/** An attacker with one verified session: it is exempt from its network's failure budget, and its failures have a bucket all the same. */

const EMPTY = new Uint8Array(0);
const BURST = 5;
const TRIES = 40;
const STINGY: Partial<Config> = { "budgets.failures.rate": 0.001, "budgets.failures.burst": BURST };
const CUT = "RATE_LIMITED failures";

async function withWorld(config: Partial<Config>, run: (world: World) => Promise<void>): Promise<void> {
  const world = await openWorld({ ...STINGY, ...config });
  try {
    await run(world);
  } finally {
    await world.close();
  }
}

type Request = Awaited<ReturnType<typeof sign>>;
type Send = (request: object, headers?: Record<string, string>) => Promise<string>;

const sign = ({ signer }: Device) => signer.sign("user.profile.get", EMPTY);

/** Sends a command over one variant; answers its result code, or why it was refused. */
function sender(world: World, variant: Variant): Send {
  const client = createClient(Gateway, world.transport(variant));
  return (request, headers = {}) => told(async () => (await client.executeCommand(request, { headers })).envelope?.resultCode);
}

/** Sends a subscription; answers the type of its first event, or why it was refused. */
function subscriber(world: World, variant: Variant): Send {
  const client = createClient(Gateway, world.transport(variant));
  return (request) =>
    told(async () => {
      for await (const { envelope } of client.subscribeEvents(request)) return envelope?.eventType;
      return "ended";
    });
}

async function told(call: () => Promise<string | undefined>): Promise<string> {
  try {
    return (await call()) ?? "";
  } catch (error) {
    const refusal = refusalOf(error);
    return refusal === undefined ? String(error) : [refusal.reason, refusal.metadata.scope].filter(Boolean).join(" ");
  }
}

const forged = async (device: Device) => ({ ...(await sign(device)), signature: new Uint8Array(64) });

function count(outcomes: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    Map.groupBy(outcomes, (each) => each)
      .entries()
      .map(([key, all]) => [key, all.length]),
  );
}

async function inARow(tries: number, send: (at: number) => Promise<string>): Promise<string[]> {
  const outcomes: string[] = [];
  for (let at = 0; at < tries; at++) outcomes.push(await send(at));
  return outcomes;
}

const [variant = expect.unreachable()] = VARIANTS;

describe("after one good request, bad signatures under the same session id", () => {
  test.each(VARIANTS)("over $name are verified no more often than the failure budget has tokens", (each) =>
    withWorld({}, async (world) => {
      const [device, send] = [await world.login(), sender(world, each)];
      expect(await send(await sign(device))).toBe("ok");
      const outcomes = await inARow(TRIES, async () => send(await forged(device)));
      expect(count(outcomes)).toEqual({ SIGNATURE_INVALID: BURST, [CUT]: TRIES - BURST });
    }),
  );

  test("are cut over all protocols together, and so are subscriptions", () =>
    withWorld({}, async (world) => {
      const device = await world.login();
      const senders = VARIANTS.flatMap((each) => [sender(world, each), subscriber(world, each)]);
      expect(await sender(world, variant)(await sign(device))).toBe("ok");
      const tries = await inARow(TRIES, async (at) => {
        const messageType = at % 2 === 0 ? "user.profile.get" : "gateway.subscribe";
        const request = await device.signer.sign(messageType, EMPTY);
        return senders[at % senders.length]?.({ ...request, signature: new Uint8Array(64) }) ?? "";
      });
      expect(count(tries)).toEqual({ SIGNATURE_INVALID: BURST, [CUT]: TRIES - BURST });
    }));

  test("are cut when they all arrive at once", () =>
    withWorld({}, async (world) => {
      const [device, send] = [await world.login(), sender(world, variant)];
      expect(await send(await sign(device))).toBe("ok");
      const requests = await Promise.all(Array.from({ length: 300 }, () => forged(device)));
      const outcomes = await Promise.all(requests.map((request) => send(request)));
      expect(count(outcomes)).toEqual({ SIGNATURE_INVALID: BURST, [CUT]: 300 - BURST });
    }));

  test("are cut though good requests come between them", () =>
    withWorld({}, async (world) => {
      const [device, send] = [await world.login(), sender(world, variant)];
      const bad = await inARow(TRIES, async () => {
        await send(await sign(device));
        return send(await forged(device));
      });
      expect(count(bad)).toEqual({ SIGNATURE_INVALID: BURST, [CUT]: TRIES - BURST });
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

test.each(FAILURES)("%s counts like a bad signature", (_, reason, failure) =>
  withWorld({}, async (world) => {
    const [device, send] = [await world.login(), sender(world, variant)];
    const sent = await sign(device);
    expect(await send(sent)).toBe("ok");
    const outcomes = await inARow(TRIES, async () => send(await failure(device, sent)));
    expect(count(outcomes)).toEqual({ [reason]: BURST, [CUT]: TRIES - BURST });
  }),
);

describe("behind one address", () => {
  test("a neighbour that is exempt stays so, whatever the attacker's sessions do", () =>
    withWorld({}, async (world) => {
      const send = sender(world, variant);
      const honest = await world.login();
      const attackers = [await world.login(), await world.login(), await world.login()];
      for (const device of [honest, ...attackers]) expect(await send(await sign(device))).toBe("ok");
      for (const device of attackers) {
        const outcomes = await inARow(TRIES, async () => send(await forged(device)));
        expect(count(outcomes)).toEqual({ SIGNATURE_INVALID: BURST, [CUT]: TRIES - BURST });
      }
      expect(count(await inARow(TRIES, async () => send(await sign(honest))))).toEqual({ ok: TRIES });
    }));

  test("a session whose id is misused elsewhere loses nothing", () =>
    withWorld({ trusted_proxies: ["127.0.0.0/8"] }, async (world) => {
      const [device, send] = [await world.login(), sender(world, variant)];
      const [home, cafe] = [{ "x-forwarded-for": "198.51.100.1" }, { "x-forwarded-for": "203.0.113.1" }];
      for (const headers of [home, cafe]) expect(await send(await sign(device), headers)).toBe("ok");
      const bad = await inARow(TRIES, async () => send(await forged(device), cafe));
      expect(count(bad)).toEqual({ SIGNATURE_INVALID: BURST, [CUT]: TRIES - BURST });
      expect(await send(await sign(device), home)).toBe("ok");
    }));
});

test("a session is let in again as its bucket fills", () =>
  withWorld({ "budgets.failures.rate": 20, "budgets.failures.burst": 1 }, async (world) => {
    const [device, send] = [await world.login(), sender(world, variant)];
    expect(await send(await sign(device))).toBe("ok");
    expect(count(await Promise.all(Array.from({ length: 20 }, async () => send(await forged(device)))))).toMatchObject({
      SIGNATURE_INVALID: expect.any(Number),
      [CUT]: expect.any(Number),
    });
    await until(async () => (await send(await sign(device))) === "ok", "a token to come back");
  }));

test("a session has its whole burst of good requests at once: a token that is held comes back", () =>
  withWorld({}, async (world) => {
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

  test("bad signatures of an exempt session are cut, one after the other and all at once", async () => {
    const stores = { "stores.kind": "redis", "stores.redis.url": redis.url, "stores.redis.durable": true } as const;
    await withWorld(stores, async (world) => {
      const send = sender(world, variant);
      const devices = [await world.login(), await world.login()];
      for (const device of devices) expect(await send(await sign(device))).toBe("ok");
      for (const [at, device] of devices.entries()) {
        const requests = await Promise.all(Array.from({ length: TRIES }, () => forged(device)));
        const outcomes =
          at === 0
            ? await inARow(TRIES, (nth) => send(requests[nth] ?? {}))
            : await Promise.all(requests.map((request) => send(request)));
        expect(count(outcomes)).toEqual({ SIGNATURE_INVALID: BURST, [CUT]: TRIES - BURST });
      }
    });
  });
});
