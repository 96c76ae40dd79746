import { describe, expect, test } from "bun:test";
import { type Client, createClient } from "@connectrpc/connect";
import { reasonOf } from "../../../src/client/errors.ts";
import type { SignedRequest } from "../../../src/client/request-signer.ts";
import type { Config } from "../../../src/config/schema.ts";
import type { Reason } from "../../../src/core/reasons.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, withWorld } from "../../support/world.ts";

/** For each pair of neighbouring checks, a request that fails both. The earlier refusal is returned, and the later check does not run. */

const EMPTY = new Uint8Array(0);
const OLD = 120_000;
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

interface Pair {
  readonly earlier: Reason;
  readonly later: Reason;
  readonly config?: Partial<Config>;
  readonly before?: (device: Device, client: Client<typeof Gateway>) => Promise<unknown>;
  readonly request: (device: Device) => Promise<SignedRequest>;
}

const sign = (device: Device, options = {}, type = "user.profile.get") => device.signer.sign(type, EMPTY, options);

/** A command whose answer is kept, always under the same key. */
const keyed = (device: Device, payload: object) =>
  device.signer.sign("chat.message.send", json(payload), { idempotencyKey: "key-12345" });

const PAIRS: readonly Pair[] = [
  {
    earlier: "RATE_LIMITED",
    later: "MALFORMED_ENVELOPE",
    config: { "budgets.failures.rate": 0.001, "budgets.failures.burst": 1 },
    before: async (device, client) => client.executeCommand({ ...(await sign(device)), envelope: undefined }).catch(reasonOf),
    request: async (device) => {
      const request = await sign(device);
      return { ...request, envelope: { ...request.envelope, requestId: "short" } };
    },
  },
  {
    earlier: "MALFORMED_ENVELOPE",
    later: "SESSION_NOT_FOUND",
    request: async (device) => {
      const request = await sign(device);
      return { ...request, envelope: { ...request.envelope, requestId: "short", deviceSessionId: "nobody" } };
    },
  },
  {
    earlier: "SESSION_NOT_FOUND",
    later: "PAYLOAD_HASH_MISMATCH",
    request: async (device) => {
      const request = await sign(device);
      const envelope = { ...request.envelope, deviceSessionId: crypto.randomUUID() };
      return { ...request, envelope, payloadBytes: json({ swapped: true }) };
    },
  },
  {
    earlier: "PAYLOAD_HASH_MISMATCH",
    later: "SIGNATURE_INVALID",
    request: async (device) => ({
      ...(await sign(device)),
      payloadBytes: json({ swapped: true }),
      signature: new Uint8Array(64),
    }),
  },
  {
    earlier: "SIGNATURE_INVALID",
    later: "TIMESTAMP_OUT_OF_WINDOW",
    request: async (device) => ({ ...(await sign(device, { timestampMs: Date.now() - OLD })), signature: new Uint8Array(64) }),
  },
  {
    earlier: "TIMESTAMP_OUT_OF_WINDOW",
    later: "REQUEST_REPLAYED",
    before: async (device, client) => client.executeCommand(await sign(device, { requestId: "used-before" })),
    request: (device) => sign(device, { requestId: "used-before", timestampMs: Date.now() - OLD }),
  },
  {
    earlier: "REQUEST_REPLAYED",
    later: "RATE_LIMITED",
    config: { "budgets.session.rate": 0.001, "budgets.session.burst": 1 },
    before: async (device, client) => client.executeCommand(await sign(device, { requestId: "used-before" })),
    request: (device) => sign(device, { requestId: "used-before" }),
  },
  {
    earlier: "RATE_LIMITED",
    later: "MESSAGE_TYPE_UNKNOWN",
    config: { "budgets.session.rate": 0.001, "budgets.session.burst": 1 },
    before: async (device, client) => client.executeCommand(await sign(device)),
    request: (device) => sign(device, {}, "no.such.thing"),
  },
  {
    earlier: "RATE_LIMITED",
    later: "IDEMPOTENCY_KEY_REUSED",
    config: { "budgets.session.rate": 0.001, "budgets.session.burst": 1 },
    before: async (device, client) => client.executeCommand(await keyed(device, { room_id: "lobby", text: "first" })),
    request: (device) => keyed(device, { room_id: "lobby", text: "second" }),
  },
  {
    earlier: "IDEMPOTENCY_KEY_REUSED",
    later: "PAYLOAD_INVALID",
    before: async (device, client) => client.executeCommand(await keyed(device, { room_id: "lobby", text: "first" })),
    request: (device) => keyed(device, { room_id: "../lobby" }),
  },
];

describe("a request that fails two neighbouring checks reports the earlier one", () => {
  test.each(PAIRS)("$earlier before $later", ({ earlier, config, before, request }) =>
    withWorld(config ?? {}, async (world) => {
      for (const variant of VARIANTS) {
        const client = createClient(Gateway, world.transport(variant));
        const device = await world.login();
        await before?.(device, client);
        const reason = await client.executeCommand(await request(device)).then(() => "admitted", reasonOf);
        expect(reason).toBe(earlier);
      }
    }),
  );

  test("a request that fails only the later check of a pair is refused by that check", async () => {
    await withWorld({}, async (world) => {
      const [variant] = VARIANTS;
      if (variant === undefined) throw new Error("no variants");
      const client = createClient(Gateway, world.transport(variant));
      const device = await world.login();
      const reasons = [
        await client.executeCommand({ ...(await sign(device)), signature: new Uint8Array(64) }).catch(reasonOf),
        await client.executeCommand({ ...(await sign(device)), payloadBytes: json({ swapped: true }) }).catch(reasonOf),
        await client.executeCommand(await sign(device, { timestampMs: Date.now() - OLD })).catch(reasonOf),
        await client.executeCommand(await sign(device, {}, "no.such.thing")).catch(reasonOf),
      ];
      expect(reasons).toEqual([
        "SIGNATURE_INVALID",
        "PAYLOAD_HASH_MISMATCH",
        "TIMESTAMP_OUT_OF_WINDOW",
        "MESSAGE_TYPE_UNKNOWN",
      ]);
    });
  });

  test("a refusal spends no tokens of later checks: after a hundred bad signatures the session's budget is full", async () => {
    await withWorld({ "budgets.session.rate": 0.001, "budgets.session.burst": 1 }, async (world) => {
      const [variant] = VARIANTS;
      if (variant === undefined) throw new Error("no variants");
      const client = createClient(Gateway, world.transport(variant));
      const device = await world.login();
      for (let i = 0; i < 100; i++) {
        const forged = { ...(await sign(device)), signature: new Uint8Array(64) };
        expect(await client.executeCommand(forged).catch(reasonOf)).toBe("SIGNATURE_INVALID");
      }
      const { envelope } = await client.executeCommand(await sign(device));
      expect(envelope?.resultCode).toBe("ok");
    });
  });
});
