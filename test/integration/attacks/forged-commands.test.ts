import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf, UntrustedResponseError } from "../../../src/client/errors.ts";
import { GatewayKeys } from "../../../src/client/gateway-keys.ts";
import type { SignedRequest } from "../../../src/client/request-signer.ts";
import { verifyResponse } from "../../../src/client/verify.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { http1 } from "../../support/raw-http.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, openWorld, type World } from "../../support/world.ts";

/** An attacker who can read and change traffic, or who has their own device. No forged command reaches the backend. */

const EMPTY = new Uint8Array(0);
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const PROFILE = "/api/v1/user/profile";
const profile = (device: Device) => device.signer.sign("user.profile.get", EMPTY);

describe.each(VARIANTS)("$name", (variant) => {
  const execute = (request: object) =>
    createClient(Gateway, world.transport(variant))
      .executeCommand(request)
      .then(({ envelope }) => envelope?.resultCode, reasonOf);
  const subscribe = (request: object) =>
    Array.fromAsync(createClient(Gateway, world.transport(variant)).subscribeEvents(request)).then(() => "admitted", reasonOf);

  /** Sends a command. Resolves to its outcome and the number of calls to the backend. */
  async function attempt(request: object) {
    const before = world.faults.calls(PROFILE);
    return { outcome: await execute(request), backendCalls: world.faults.calls(PROFILE) - before };
  }

  test("a replayed request is refused", async () => {
    const request = await profile(await world.login());
    expect(await attempt(request)).toEqual({ outcome: "ok", backendCalls: 1 });
    for (let again = 0; again < 3; again++)
      expect(await attempt(request)).toEqual({ outcome: "REQUEST_REPLAYED", backendCalls: 0 });
  });

  test("a replayed subscription is refused", async () => {
    const device = await world.login();
    const request = await device.signer.sign("gateway.subscribe", EMPTY);
    const leave = new AbortController();
    const events = createClient(Gateway, world.transport(variant)).subscribeEvents(request, { signal: leave.signal });
    await events[Symbol.asyncIterator]().next();
    expect(await subscribe(request)).toBe("REQUEST_REPLAYED");
    leave.abort();
  });

  test("a payload that was swapped after signing is refused", async () => {
    const device = await world.login();
    const request = await device.signer.sign("user.profile.update", json({ display_name: "Ada" }));
    const swapped = { ...request, payloadBytes: json({ display_name: "Eve" }) };
    expect(await attempt(swapped)).toEqual({ outcome: "PAYLOAD_HASH_MISMATCH", backendCalls: 0 });
  });

  test("a payload that was swapped together with its hash is refused", async () => {
    const device = await world.login();
    const request = await device.signer.sign("user.profile.update", json({ display_name: "Ada" }));
    const other = await device.signer.sign("user.profile.update", json({ display_name: "Eve" }));
    const envelope = { ...request.envelope, payloadHash: other.envelope.payloadHash };
    const swapped = { envelope, payloadBytes: other.payloadBytes, signature: request.signature };
    expect(await attempt(swapped)).toEqual({ outcome: "SIGNATURE_INVALID", backendCalls: 0 });
  });

  test("an envelope of another session, signed with the attacker's key, is refused", async () => {
    const [victim, attacker] = [await world.login(), await world.login()];
    const request = await profile(attacker);
    const envelope = { ...request.envelope, deviceSessionId: victim.deviceSessionId };
    expect(await attempt({ ...request, envelope })).toEqual({ outcome: "SIGNATURE_INVALID", backendCalls: 0 });
  });

  test("a message type that was changed after signing is refused", async () => {
    const request = await profile(await world.login());
    const envelope = { ...request.envelope, messageType: "user.profile.update" };
    expect(await attempt({ ...request, envelope })).toEqual({ outcome: "SIGNATURE_INVALID", backendCalls: 0 });
  });

  test("a request id that was changed after signing is refused", async () => {
    const request = await profile(await world.login());
    const envelope = { ...request.envelope, requestId: crypto.randomUUID() };
    expect(await attempt({ ...request, envelope })).toEqual({ outcome: "SIGNATURE_INVALID", backendCalls: 0 });
  });

  test("a request that was signed for one RPC is refused by the other", async () => {
    const device = await world.login();
    expect(await execute(await device.signer.sign("gateway.subscribe", EMPTY))).toBe("MALFORMED_ENVELOPE");
    expect(await subscribe(await profile(device))).toBe("MALFORMED_ENVELOPE");
  });

  test("a command with a gateway.* message type is refused", async () => {
    const device = await world.login();
    for (const type of ["gateway.heartbeat", "gateway.server_time", "gateway.subscribe.x", "gateway.admin"]) {
      expect(await execute(await device.signer.sign(type, EMPTY))).toBe("MALFORMED_ENVELOPE");
      if (type !== "gateway.subscribe")
        expect(await subscribe(await device.signer.sign(type, EMPTY))).toBe("MALFORMED_ENVELOPE");
    }
  });

  test("ids that contain header lines are refused", async () => {
    const device = await world.login();
    const evil = "abcdefgh\r\nX-User-Id: admin";
    expect(await attempt(await device.signer.sign("user.profile.get", EMPTY, { requestId: evil }))).toEqual({
      outcome: "MALFORMED_ENVELOPE",
      backendCalls: 0,
    });
    const request = await profile(device);
    const envelope = { ...request.envelope, deviceSessionId: `${device.deviceSessionId}\r\nX-User-Id: admin` };
    expect(await attempt({ ...request, envelope })).toEqual({ outcome: "MALFORMED_ENVELOPE", backendCalls: 0 });
  });

  test("the client's own headers cannot set the gateway's headers to the backend", async () => {
    const device = await world.login();
    let seen: Headers | undefined;
    world.faults.on(PROFILE, ({ headers }) => {
      seen = headers;
      return Response.json({});
    });
    const forged = {
      "x-user-id": "admin",
      "x-device-session-id": "other",
      "x-request-id": "other",
      "idempotency-key": "other",
      "x-forwarded-for": "198.51.100.1",
      authorization: "Bearer stolen",
      cookie: "a=b",
      "accept-language": "de",
    };
    const request = await profile(device);
    const client = createClient(Gateway, world.transport(variant));
    await client.executeCommand(request, { headers: forged });
    world.faults.off(PROFILE);
    expect(Object.fromEntries(seen ?? [])).toMatchObject({
      "x-user-id": device.userId,
      "x-device-session-id": device.deviceSessionId,
      "x-request-id": request.envelope.requestId,
      "idempotency-key": request.envelope.requestId,
      "x-forwarded-for": "127.0.0.1",
      "accept-language": "de",
    });
    expect(seen?.has("authorization")).toBe(false);
    expect(seen?.has("cookie")).toBe(false);
  });

  test("payload fields that would change the backend path are refused", async () => {
    const device = await world.login();
    const values = [
      "..",
      ".",
      "a/b",
      "../../internal/sessions/x",
      "%2e%2e",
      "%2E%2E%2Fprofile",
      "a\\b",
      "a\u0000b",
      "",
      "..;/x%2f",
    ];
    for (const room_id of values) {
      const request = await device.signer.sign("chat.message.send", json({ room_id, text: "hi" }));
      expect([room_id, await execute(request)]).toEqual([room_id, "PAYLOAD_INVALID"]);
    }
    for (const room_id of [null, {}, [".."], undefined]) {
      const request = await device.signer.sign("chat.message.send", json({ room_id, text: "hi" }));
      expect(await execute(request)).toBe("PAYLOAD_INVALID");
    }
  });

  test("payload fields are escaped in the query", async () => {
    const device = await world.login();
    let url = "";
    world.faults.on(PROFILE, (request) => {
      url = request.url;
      return Response.json({});
    });
    const request = await device.signer.sign("user.profile.get", json({ "a&admin": "1#x", q: "1&user_id=2?/../" }));
    expect(await execute(request)).toBe("ok");
    world.faults.off(PROFILE);
    expect([...new URL(url).searchParams]).toEqual([
      ["a&admin", "1#x"],
      ["q", "1&user_id=2?/../"],
    ]);
    expect(new URL(url).pathname).toBe(PROFILE);
  });

  test("of many identical concurrent requests exactly one is executed", async () => {
    const device = await world.login();
    const request = await device.signer.sign("user.profile.update", json({ display_name: "Ada" }));
    const before = world.faults.calls(PROFILE);
    const clients = Array.from({ length: 10 }, () => createClient(Gateway, world.transport(variant)));
    const outcomes = await Promise.all(
      Array.from({ length: 1000 / VARIANTS.length }, (_, at) =>
        clients[at % clients.length]?.executeCommand(request).then(({ envelope }) => envelope?.resultCode, reasonOf),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "REQUEST_REPLAYED")).toHaveLength(outcomes.length - 1);
    expect(world.faults.calls(PROFILE) - before).toBe(1);
  });
});

test("of a thousand identical concurrent requests over all protocols exactly one is executed", async () => {
  const device = await world.login();
  const request = await device.signer.sign("user.profile.get", EMPTY);
  const before = world.faults.calls(PROFILE);
  const clients = VARIANTS.map((each) => createClient(Gateway, world.transport(each)));
  const outcomes = await Promise.all(
    Array.from({ length: 1000 }, (_, at) =>
      clients[at % clients.length]?.executeCommand(request).then(({ envelope }) => envelope?.resultCode, reasonOf),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === "REQUEST_REPLAYED")).toHaveLength(999);
  expect(world.faults.calls(PROFILE) - before).toBe(1);
});

describe("the client refuses an answer to another request", () => {
  const client = () => createClient(Gateway, VARIANTS[0]?.open(world.gateway.edgeUrl) ?? expect.unreachable());
  const keys = () => new GatewayKeys(world.gateway.edgeUrl);
  type Answer = Awaited<ReturnType<ReturnType<typeof client>["executeCommand"]>>;

  async function verdict(answer: Answer, request: SignedRequest): Promise<string> {
    return verifyResponse(answer, request, keys()).then(
      () => "accepted",
      (error) => (error instanceof UntrustedResponseError ? error.check : String(error)),
    );
  }

  test("a response that is replayed for another request", async () => {
    const device = await world.login();
    const [first, second] = [await profile(device), await profile(device)];
    const answer = await client().executeCommand(first);
    expect(await verdict(answer, first)).toBe("accepted");
    expect(await verdict(answer, second)).toBe("request_id");
    const relabeled = { ...answer, envelope: answer.envelope && { ...answer.envelope, requestId: second.envelope.requestId } };
    expect(await verdict(relabeled, second)).toBe("signature");
  });

  test("a response that is replayed to another session with the same request id", async () => {
    const [ada, bob] = [await world.login(), await world.login()];
    const requestId = crypto.randomUUID();
    const answer = await client().executeCommand(await ada.signer.sign("user.profile.get", EMPTY, { requestId }));
    const bobs = await bob.signer.sign("user.profile.get", EMPTY, { requestId });
    expect(await verdict(answer, bobs)).toBe("signature");
  });

  test("a response that is replayed for another message type", async () => {
    const ada = await world.login();
    const requestId = crypto.randomUUID();
    const answer = await client().executeCommand(await ada.signer.sign("user.profile.get", EMPTY, { requestId }));
    expect(await verdict(answer, await ada.signer.sign("user.profile.update", EMPTY, { requestId }))).toBe("signature");
  });

  test("a response whose payload or result code was changed", async () => {
    const request = await profile(await world.login());
    const answer = await client().executeCommand(request);
    expect(await verdict({ ...answer, payloadBytes: json({ display_name: "Eve" }) }, request)).toBe("payload_hash");
    const denied = { ...answer, envelope: answer.envelope && { ...answer.envelope, resultCode: "denied" } };
    expect(await verdict(denied, request)).toBe("signature");
  });
});

test("a request with a short or unknown Host is served", async () => {
  for (const host of ["x", "gw", "api", "127.0.0.1", "[::1]:80", "evil.example:1234"]) {
    const request = {
      path: "/sallyport.v1.Gateway/ExecuteCommand",
      headers: { Host: host, "Content-Type": "application/json" },
      body: "{}",
    };
    const answer = await http1(world.gateway.edgeUrl, request);
    expect([host, answer?.status, answer?.body.toString()]).toEqual([host, 400, expect.stringContaining("MALFORMED_ENVELOPE")]);
  }
});
