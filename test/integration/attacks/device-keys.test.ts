import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../../src/client/errors.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { sessionPath } from "../../support/fault-backend.ts";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { VARIANTS } from "../../support/variants.ts";
import { openWorld, type World } from "../../support/world.ts";

/** Weak device keys. With some, one signature verifies for any message; others have a second encoding. */

const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

/** Every small-order point of edwards25519, also in non-canonical encodings (RFC 8032 5.1.3, 7). */
const WEAK_KEYS = [
  { name: "the identity", raw: hex(`01${"00".repeat(31)}`) },
  { name: "zero", raw: hex("00".repeat(32)) },
  { name: "zero, negative", raw: hex(`${"00".repeat(31)}80`) },
  { name: "minus one", raw: hex(`ec${"ff".repeat(30)}7f`) },
  { name: "order eight, first", raw: hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05") },
  { name: "order eight, first, negative", raw: hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85") },
  { name: "order eight, second", raw: hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a") },
  { name: "order eight, second, negative", raw: hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa") },
  { name: "the identity, not canonical", raw: hex(`ee${"ff".repeat(30)}7f`) },
  { name: "the identity, with a sign", raw: hex(`01${"00".repeat(30)}80`) },
  { name: "p, which is zero", raw: hex(`ed${"ff".repeat(30)}7f`) },
  { name: "p + 2, not canonical", raw: hex(`ef${"ff".repeat(30)}7f`) },
  { name: "not a point", raw: hex(`02${"00".repeat(31)}`) },
  { name: "all ones", raw: hex("ff".repeat(32)) },
] as const;

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const REGISTRATIONS = LOGIN_PATHS.flatMap(({ rows, CONFIRM }) => WEAK_KEYS.map((key) => ({ ...key, rows, CONFIRM })));

test.each(REGISTRATIONS)(
  "a weak device key at registration ($name, $rows) is refused without a call to the backend",
  async ({ raw, CONFIRM }) => {
    const before = world.faults.calls(CONFIRM);
    const body = { challenge_id: "c-1", code: "123456", client_public_key: Buffer.from(raw).toString("base64") };
    const response = await fetch(`${world.gateway.edgeUrl}${CONFIRM}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_request" });
    expect(world.faults.calls(CONFIRM)).toBe(before);
  },
);

describe("if the backend returns a session with a weak key", () => {
  test.each(WEAK_KEYS)("$name: no signature verifies, not even one that is valid for any message", async ({ raw }) => {
    const device = await world.login();
    world.faults.on(sessionPath(device.deviceSessionId), () =>
      Response.json({
        device_session_id: device.deviceSessionId,
        user_id: device.userId,
        client_public_key: Buffer.from(raw).toString("base64"),
        status: "active",
      }),
    );
    const client = createClient(Gateway, VARIANTS[0]?.open(world.gateway.edgeUrl) ?? expect.unreachable());
    const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
    // R is the key or the identity, S is zero: with a small-order key, such a signature is valid for every message, or for every eighth.
    const identity = hex(`01${"00".repeat(31)}`);
    for (const r of [raw, identity]) {
      const signature = new Uint8Array(64);
      signature.set(r);
      expect(await client.executeCommand({ ...request, signature }).catch(reasonOf)).toBe("SIGNATURE_INVALID");
    }
    expect(await client.executeCommand(request).catch(reasonOf)).toBe("SIGNATURE_INVALID");
  });
});

describe("a session record that breaks the contract makes the look-up fail", () => {
  const good = (deviceSessionId: string) => ({
    device_session_id: deviceSessionId,
    user_id: "user-1",
    client_public_key: Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64"),
    status: "active",
  });

  test.each([
    ["of another session", { device_session_id: "another" }],
    ["with a user id that ends a header", { user_id: "u\r\nX-Admin: 1" }],
    ["with an empty user id", { user_id: "" }],
    ["with an unknown status", { status: "ACTIVE" }],
    ["without a status", { status: undefined }],
    ["with a short key", { client_public_key: "AAAA" }],
    ["with a key that is not a string", { client_public_key: [1, 2, 3] }],
  ])("%s", async (_, change) => {
    const device = await world.login();
    const record = { ...good(device.deviceSessionId), ...change };
    world.faults.on(sessionPath(device.deviceSessionId), () => Response.json(record));
    const client = createClient(Gateway, VARIANTS[0]?.open(world.gateway.edgeUrl) ?? expect.unreachable());
    const call = client.executeCommand(await device.signer.sign("user.profile.get", new Uint8Array(0)));
    expect(await call.catch(reasonOf)).toBe("SESSION_LOOKUP_UNAVAILABLE");
  });
});

test("a signature with S beyond the group order is refused, even if S modulo the order verifies", async () => {
  const device = await world.login();
  const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const s = Buffer.from(request.signature.subarray(32)).reverse().toString("hex");
  const malleable = (BigInt(`0x${s}`) + order).toString(16).padStart(64, "0");
  const signature = Buffer.concat([request.signature.subarray(0, 32), Buffer.from(malleable, "hex").reverse()]);
  for (const variant of VARIANTS) {
    const client = createClient(Gateway, world.transport(variant));
    expect(await client.executeCommand({ ...request, signature }).catch(reasonOf)).toBe("SIGNATURE_INVALID");
  }
});
