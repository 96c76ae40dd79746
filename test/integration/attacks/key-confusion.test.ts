import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sign } from "node:crypto";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../../src/client/errors.ts";
import { RequestSigner, type SignedRequest } from "../../../src/client/request-signer.ts";
import type { Config } from "../../../src/config/schema.ts";
import { requestSigningInput } from "../../../src/crypto/signing-input.ts";
import { ExecuteCommandRequestSchema, Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { es256DeviceKey, signEs256, withOtherS } from "../../support/es256-device.ts";
import { EventSubscriber } from "../../support/event-subscriber.ts";
import { sessionPath } from "../../support/fault-backend.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";
import { openWorld, type World, withWorld } from "../../support/world.ts";
import { ES256_KEYS_REFUSED } from "../../unit/crypto/golden-vectors.ts";

/** Confusion of the two algorithms of device keys: by signatures, by keys, by names, and by the choice of the algorithm. */

const EMPTY = new Uint8Array(0);
const PROFILE = "/api/v1/user/profile";
const CONFIRM = "/api/v1/public/auth/confirm-email-code";
const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
/** The result of a command of `sessionWith`: the embedded backend does not know its user. */
const BACKEND_REACHED = "user_unknown";
const base64 = (raw: Uint8Array) => Buffer.from(raw).toString("base64");

/** Values of `client_key_algorithm` that name no algorithm. */
const NOT_ALGORITHMS = [
  "es256",
  "ES256 ",
  " ES256",
  "ES256\u0000",
  "",
  "eddsa",
  "Ed25519",
  "ES384",
  "ES256K",
  "none",
  null,
  0,
  true,
  [],
  ["ES256"],
  { alg: "ES256" },
];

let world: World;
let sessions = 0;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

/** Makes the backend answer the look-up of a new session with these members. Returns the session's id. */
function sessionWith(members: object, at: World = world): string {
  const deviceSessionId = `confused-${sessions++}`;
  answerLookUps(deviceSessionId, members, at);
  return deviceSessionId;
}

function answerLookUps(deviceSessionId: string, members: object, at: World = world): void {
  const record = { device_session_id: deviceSessionId, user_id: "user-1", status: "active", ...members };
  at.faults.on(sessionPath(deviceSessionId), () => Response.json(record));
}

/** The result of a command over the first variant. */
function outcomeOf(request: SignedRequest, at: World = world): Promise<string | undefined> {
  const client = createClient(Gateway, at.transport(VARIANTS[0] ?? expect.unreachable()));
  return client.executeCommand(request).then(({ envelope }) => envelope?.resultCode, reasonOf);
}

describe.each(VARIANTS)("$name", (variant) => {
  const execute = (request: SignedRequest) =>
    createClient(Gateway, world.transport(variant))
      .executeCommand(request)
      .then(({ envelope }) => envelope?.resultCode, reasonOf);

  test("a signature of the other algorithm is refused, by commands and by subscriptions", async () => {
    const [ed25519, es256] = [await world.login(), await world.loginEs256()];
    const before = world.faults.calls(PROFILE);
    for (const [session, signer] of [
      [ed25519, es256],
      [es256, ed25519],
    ] as const) {
      const { deviceSessionId } = session;
      const confused = { signer: new RequestSigner({ deviceSessionId, deviceKey: signer.deviceKey }) };
      expect(await execute(await confused.signer.sign("user.profile.get", EMPTY))).toBe("SIGNATURE_INVALID");
      const subscriber = await EventSubscriber.open(world.transport(variant), confused);
      await until(() => subscriber.ended !== undefined, "the refusal");
      expect(subscriber.ended).toBe("SIGNATURE_INVALID");
    }
    expect(world.faults.calls(PROFILE)).toBe(before);
  });

  test("a signature in DER is malformed, and refused even if it is cut to 64 bytes", async () => {
    const device = await world.loginEs256();
    const request = await device.signer.sign("user.profile.get", EMPTY);
    const der = new Uint8Array(sign("sha256", requestSigningInput(request.envelope), device.deviceKey.privateKey));
    expect(der.byteLength).toBeGreaterThan(64);
    expect(await execute({ ...request, signature: der })).toBe("MALFORMED_ENVELOPE");
    expect(await execute({ ...request, signature: der.subarray(0, 64) })).toBe("SIGNATURE_INVALID");
    expect(await execute({ ...request, signature: der.subarray(-64) })).toBe("SIGNATURE_INVALID");
  });

  test("R or S of zero or n is refused", async () => {
    const device = await world.loginEs256();
    const request = await device.signer.sign("user.profile.get", EMPTY);
    const [r, s] = [request.signature.subarray(0, 32), request.signature.subarray(32)];
    const [zero, order] = [
      new Uint8Array(32),
      Uint8Array.fromHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    ];
    for (const parts of [
      [zero, zero],
      [zero, s],
      [r, zero],
      [order, s],
      [r, order],
      [order, order],
      [s, r],
    ]) {
      expect(await execute({ ...request, signature: new Uint8Array(Buffer.concat(parts)) })).toBe("SIGNATURE_INVALID");
    }
    expect(await execute(request)).toBe("ok");
  });
});

describe("a key of the other algorithm in the session's record", () => {
  const es256 = es256DeviceKey();

  test.each([
    ["EdDSA with a key of 65 bytes", { client_key_algorithm: "EdDSA", client_public_key: base64(es256.publicKey) }],
    ["no algorithm and a key of 65 bytes", { client_public_key: base64(es256.publicKey) }],
    [
      "ES256 with a key of 32 bytes",
      { client_key_algorithm: "ES256", client_public_key: base64(es256.publicKey.subarray(1, 33)) },
    ],
    [
      "ES256 with both keys in an array",
      { client_key_algorithm: "ES256", client_public_key: [base64(es256.publicKey), base64(new Uint8Array(32).fill(9))] },
    ],
    [
      "ES256 with both keys in one text",
      {
        client_key_algorithm: "ES256",
        client_public_key: base64(new Uint8Array([...es256.publicKey, ...new Uint8Array(32).fill(9)])),
      },
    ],
    ["both algorithms in an array", { client_key_algorithm: ["EdDSA", "ES256"], client_public_key: base64(es256.publicKey) }],
  ])("%s: the look-up fails, with the cause in the log only", async (_, members) => {
    const deviceSessionId = sessionWith(members);
    const request = await new RequestSigner({ deviceSessionId, deviceKey: es256 }).sign("user.profile.get", EMPTY);
    expect(await outcomeOf(request)).toBe("SESSION_LOOKUP_UNAVAILABLE");
    const line = () =>
      world
        .logged()
        .split("\n")
        .find((each) => each.includes(`"device_session_id":"${deviceSessionId}"`));
    await until(() => line() !== undefined, "the line of the call");
    expect(JSON.parse(line() ?? "{}")).toMatchObject({
      cause: expect.stringMatching(/client_(public_key|key_algorithm) is n/),
    });
    const again = await new RequestSigner({ deviceSessionId, deviceKey: es256 }).sign("user.profile.get", EMPTY);
    const client = createClient(Gateway, world.transport(VARIANTS[0] ?? expect.unreachable()));
    const message = await client.executeCommand(again).catch(String);
    expect(message).toContain("cannot be looked up");
    expect(message).not.toMatch(/client_|algorithm|key/);
  });

  test("half of a P-256 key, as an EdDSA key of 32 bytes: no signature of the device verifies", async () => {
    for (const half of [es256.publicKey.subarray(1, 33), es256.publicKey.subarray(33)]) {
      const deviceSessionId = sessionWith({ client_public_key: base64(half) });
      const request = await new RequestSigner({ deviceSessionId, deviceKey: es256 }).sign("user.profile.get", EMPTY);
      for (const signature of [request.signature, withOtherS(request.signature)]) {
        expect(await outcomeOf({ ...request, signature })).toBe("SIGNATURE_INVALID");
      }
    }
  });
});

describe("a key that is not a point of P-256", () => {
  const FOREIGN = [
    {
      why: "the base point of secp256k1",
      publicKey: Uint8Array.fromHex(
        "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
      ),
    },
    { why: "infinity in 65 bytes", publicKey: new Uint8Array(65) },
    { why: "a point and a byte", publicKey: new Uint8Array([...es256DeviceKey().publicKey, 0]) },
    { why: "another prefix", publicKey: es256DeviceKey().publicKey.with(0, 5) },
  ];

  test.each([...ES256_KEYS_REFUSED, ...FOREIGN])("is refused at the login and in a record: $why", async ({ publicKey }) => {
    const before = world.faults.calls(CONFIRM);
    const key = { client_public_key: base64(publicKey), client_key_algorithm: "ES256" };
    const answer = await confirm(world, key);
    expect([answer.status, answer.code]).toEqual([400, "invalid_request"]);
    expect(answer.message).toContain("client_public_key must be the base64 of a valid P-256 public key");
    expect(world.faults.calls(CONFIRM)).toBe(before);
    const deviceKey = es256DeviceKey();
    const request = await new RequestSigner({ deviceSessionId: sessionWith(key), deviceKey }).sign("user.profile.get", EMPTY);
    expect(await outcomeOf(request)).toBe("SESSION_LOOKUP_UNAVAILABLE");
  });
});

describe("an algorithm that does not exist", () => {
  test.each(NOT_ALGORITHMS.map((algorithm) => [JSON.stringify(algorithm), algorithm]))(
    "%s is refused at the login and in a record",
    async (_, client_key_algorithm) => {
      const deviceKey = es256DeviceKey();
      const before = world.faults.calls(CONFIRM);
      const key = { client_public_key: base64(deviceKey.publicKey), client_key_algorithm };
      const answer = await confirm(world, key);
      expect([answer.status, answer.code]).toEqual([400, "invalid_request"]);
      expect(answer.message).toContain("client_key_algorithm must be EdDSA or ES256");
      expect(world.faults.calls(CONFIRM)).toBe(before);
      const request = await new RequestSigner({ deviceSessionId: sessionWith(key), deviceKey }).sign("user.profile.get", EMPTY);
      expect(await outcomeOf(request)).toBe("SESSION_LOOKUP_UNAVAILABLE");
    },
  );

  test("a name that occurs twice at the login reaches the backend once, as the gateway checked it", async () => {
    const deviceKey = es256DeviceKey();
    let forwarded = "";
    world.faults.on(CONFIRM, async (request) => {
      forwarded = await request.text();
      return Response.json({ code: "code_wrong", message: "" }, { status: 422 });
    });
    const fields = `"challenge_id":"c-1","code":"123456","client_public_key":"${base64(deviceKey.publicKey)}"`;
    const answer = await confirm(world, `{${fields},"client_key_algorithm":"EdDSA","client_key_algorithm":"ES256"}`);
    world.faults.off(CONFIRM);
    expect(answer.status).toBe(422);
    expect(forwarded.match(/client_key_algorithm/g)).toHaveLength(1);
    expect(JSON.parse(forwarded)).toMatchObject({ client_key_algorithm: "ES256" });
  });
});

describe("a request that names an algorithm", () => {
  const NAMES = ["algorithm", "alg", "clientKeyAlgorithm", "client_key_algorithm"];

  test("in JSON members and headers changes nothing", async () => {
    const [ed25519, es256] = [await world.login(), await world.loginEs256()];
    for (const [session, signer, named] of [
      [ed25519, es256, "ES256"],
      [es256, ed25519, "EdDSA"],
    ] as const) {
      const { deviceSessionId } = session;
      const confused = new RequestSigner({ deviceSessionId, deviceKey: signer.deviceKey });
      for (const name of NAMES) {
        const request = await confused.sign("user.profile.get", EMPTY);
        const plain = toJson(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, request));
        const message = { ...Object(plain), [name]: named };
        const body = JSON.stringify({ ...message, envelope: { ...message.envelope, [name]: named } });
        const headers = { "content-type": "application/json", [name]: named, [`x-${name}`]: named };
        expect(await reasonIn(await fetch(`${world.gateway.edgeUrl}${EXECUTE}`, { method: "POST", headers, body }))).toBe(
          "SIGNATURE_INVALID",
        );
      }
    }
  });

  test("in an unknown field of the message changes nothing", async () => {
    const [ed25519, es256] = [await world.login(), await world.loginEs256()];
    const confused = new RequestSigner({ deviceSessionId: es256.deviceSessionId, deviceKey: ed25519.deviceKey });
    const request = await confused.sign("user.profile.get", EMPTY);
    const message = toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, request));
    for (const field of [4, 8, 15]) {
      const unknown = new Uint8Array([(field << 3) | 2, 5, ...new TextEncoder().encode("EdDSA")]);
      const body = new Uint8Array([...message, ...unknown]);
      const headers = { "content-type": "application/proto" };
      expect(await reasonIn(await fetch(`${world.gateway.edgeUrl}${EXECUTE}`, { method: "POST", headers, body }))).toBe(
        "SIGNATURE_INVALID",
      );
    }
  });
});

describe("a session whose record changes to the other algorithm", () => {
  const NO_CACHE: Partial<Config> = { "session_cache.ttl_ms": 0 };

  test("after its revocation: the old key is refused, the new one is used", () =>
    withWorld(NO_CACHE, async (at) => {
      const device = await at.login();
      const subscriber = await EventSubscriber.open(at.transport(VARIANTS[0] ?? expect.unreachable()), device);
      await at.revoke({ device_session_id: device.deviceSessionId });
      await until(() => subscriber.ended !== undefined, "the end of the stream");
      const sign = () => device.signer.sign("user.profile.get", EMPTY);
      expect(await outcomeOf(await sign(), at)).toBe("SESSION_REVOKED");

      const deviceKey = es256DeviceKey();
      const { deviceSessionId } = device;
      answerLookUps(deviceSessionId, { client_public_key: base64(deviceKey.publicKey), client_key_algorithm: "ES256" }, at);
      const renewed = new RequestSigner({ deviceSessionId, deviceKey });
      expect(await outcomeOf(await sign(), at)).toBe("SIGNATURE_INVALID");
      expect(await outcomeOf(await renewed.sign("user.profile.get", EMPTY), at)).toBe(BACKEND_REACHED);
    }));

  test("while the revoked session is cached: both keys are refused", async () => {
    const device = await world.loginEs256();
    expect(await outcomeOf(await device.signer.sign("user.profile.get", EMPTY))).toBe("ok");
    await world.revoke({ device_session_id: device.deviceSessionId });
    const { deviceSessionId } = device;
    const ed25519 = await world.login();
    await until(
      async () => (await outcomeOf(await device.signer.sign("user.profile.get", EMPTY))) === "SESSION_REVOKED",
      "the revocation",
    );
    answerLookUps(deviceSessionId, { client_public_key: base64(ed25519.deviceKey.publicKey) });
    const renewed = new RequestSigner({ deviceSessionId, deviceKey: ed25519.deviceKey });
    expect(await outcomeOf(await renewed.sign("user.profile.get", EMPTY))).toBe("SESSION_REVOKED");
  });

  test("between any two requests: each request needs the key of its own look-up", () =>
    withWorld(NO_CACHE, async (at) => {
      const [ed25519, es256] = [await at.login(), await at.loginEs256()];
      const deviceSessionId = sessionWith({}, at);
      const keys = [
        { deviceKey: ed25519.deviceKey, record: { client_public_key: base64(ed25519.deviceKey.publicKey) } },
        {
          deviceKey: es256.deviceKey,
          record: { client_public_key: base64(es256.deviceKey.publicKey), client_key_algorithm: "ES256" },
        },
      ];
      for (const [current, { record }] of [...keys, ...keys].entries()) {
        answerLookUps(deviceSessionId, record, at);
        for (const [signedBy, { deviceKey }] of keys.entries()) {
          const request = await new RequestSigner({ deviceSessionId, deviceKey }).sign("user.profile.get", EMPTY);
          expect(await outcomeOf(request, at)).toBe(current % 2 === signedBy ? BACKEND_REACHED : "SIGNATURE_INVALID");
        }
      }
    }));
});

describe("an algorithm that device_keys.algorithms does not list", () => {
  test.each([
    ["ES256", "EdDSA"],
    ["EdDSA", "ES256"],
  ] as const)("only %s: logins and sessions with %s are refused", (accepted, other) =>
    withWorld({ "device_keys.algorithms": [accepted] }, async (at) => {
      const ed25519 = await world.login();
      const es256 = es256DeviceKey();
      const keys = {
        EdDSA: { deviceKey: ed25519.deviceKey, record: { client_public_key: base64(ed25519.deviceKey.publicKey) } },
        ES256: { deviceKey: es256, record: { client_public_key: base64(es256.publicKey), client_key_algorithm: "ES256" } },
      };
      const before = at.faults.calls(CONFIRM);
      const refused = await confirm(at, keys[other].record);
      expect(refused).toMatchObject({ status: 400, code: "invalid_request" });
      expect(refused.message).toContain(`client_key_algorithm must be ${accepted};`);
      expect(at.faults.calls(CONFIRM)).toBe(before);
      // The embedded backend does not know the challenge.
      expect((await confirm(at, keys[accepted].record)).status).toBe(404);

      for (const variant of VARIANTS) {
        const requestOf = async (algorithm: "EdDSA" | "ES256") => {
          const { deviceKey, record } = keys[algorithm];
          const signer = new RequestSigner({ deviceSessionId: sessionWith(record, at), deviceKey });
          return { signer, request: await signer.sign("user.profile.get", EMPTY) };
        };
        const client = createClient(Gateway, at.transport(variant));
        const bad = await requestOf(other);
        expect(await client.executeCommand(bad.request).catch(reasonOf)).toBe("SIGNATURE_INVALID");
        const subscriber = await EventSubscriber.open(at.transport(variant), bad);
        await until(() => subscriber.ended !== undefined, "the refusal");
        expect(subscriber.ended).toBe("SIGNATURE_INVALID");
        const good = await requestOf(accepted);
        expect((await client.executeCommand(good.request)).envelope?.resultCode).toBe(BACKEND_REACHED);
      }
      await until(
        () => at.logged().includes(`"cause":"device_keys.algorithms does not list ${other}"`),
        "the cause in the log",
      );
    }),
  );
});

test("a signature over the input of another session with the same key is refused", async () => {
  const deviceKey = es256DeviceKey();
  const [first, second] = [await world.loginEs256(deviceKey), await world.loginEs256(deviceKey)];
  const request = await first.signer.sign("user.profile.get", EMPTY);
  const envelope = { ...request.envelope, deviceSessionId: second.deviceSessionId };
  expect(await outcomeOf({ ...request, envelope })).toBe("SIGNATURE_INVALID");
  const signature = signEs256(requestSigningInput(envelope), deviceKey.privateKey);
  expect(await outcomeOf({ ...request, envelope, signature })).toBe("ok");
});

interface Confirmed {
  readonly status: number;
  readonly code?: string;
  readonly message?: string;
}

/** Confirms a challenge that does not exist. `body` is the text of the body, or the members that describe the key. */
async function confirm(at: World, body: string | object): Promise<Confirmed> {
  const response = await fetch(`${at.gateway.edgeUrl}${CONFIRM}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify({ challenge_id: "c-1", code: "123456", ...body }),
  });
  return { ...(await response.json()), status: response.status };
}

/** The reason of a Connect error. */
async function reasonIn(response: Response): Promise<string | undefined> {
  const { details = [] }: { details?: { debug?: { reason?: string } }[] } = await response.json();
  return details.map(({ debug }) => debug?.reason).find((reason) => reason !== undefined);
}
