import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { reasonOf, type TrustCheck } from "../../../src/client/errors.ts";
import { sha256, verifyingKey } from "../../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../../src/crypto/signing-input.ts";
import {
  type ExecuteCommandRequest,
  type ExecuteCommandResponse,
  ExecuteCommandResponseSchema,
} from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { envelopeOf, NOW_MS, refusal, respond } from "./fake-gateway.ts";
import { clientOf, DEVICE_KEY, expectUntrusted, FOREIGN, failureOf, NEXT, RING, SESSION } from "./test-client.ts";

describe("execute", () => {
  test("sends a verifiable request with payload, headers and a unique id", async () => {
    const requests: ExecuteCommandRequest[] = [];
    const languages: (string | null)[] = [];
    const client = clientOf({
      execute: (request, context) => {
        requests.push(request);
        languages.push(context.requestHeader.get("accept-language"));
        return respond(request, RING, {});
      },
    });
    await client.execute("user.profile.update", { display_name: "Żółć" }, { headers: { "accept-language": "pl" } });
    await client.execute("user.profile.get");
    const bodies = requests.map((request) => new TextDecoder().decode(request.payloadBytes));
    expect(bodies).toEqual(['{"display_name":"Żółć"}', ""]);
    expect(languages[0]).toBe("pl");
    expect(new Set(requests.map((request) => envelopeOf(request).requestId)).size).toBe(2);
    for (const request of requests) {
      expect(envelopeOf(request)).toMatchObject({
        protocolVersion: "v1",
        deviceSessionId: SESSION,
        timestampMs: BigInt(NOW_MS),
      });
      expect(verifyingKey(DEVICE_KEY.publicKey).verify(requestSigningInput(envelopeOf(request)), request.signature)).toBe(true);
    }
  });

  test("returns the result code and the payload of a business error", async () => {
    const client = clientOf({
      execute: (request) => respond(request, RING, { code: "name_empty" }, { resultCode: "name_empty" }),
    });
    const result = await client.execute("user.profile.update", {});
    expect(result).toMatchObject({ resultCode: "name_empty", payload: { code: "name_empty" } });
    expect(new TextDecoder().decode(result.payloadBytes)).toBe('{"code":"name_empty"}');
  });

  test("returns what was verified, and whether the answer was kept", async () => {
    const client = clientOf({
      execute: (request, context) => {
        const { idempotencyKey } = envelopeOf(request);
        if (idempotencyKey) context.responseHeader.set("Idempotent-Replayed", "true");
        return respond(request, RING, { n: 1 });
      },
    });
    const { replayed, requestId, evidence } = await client.execute("order.place", {}, { requestId: "order-000001" });
    expect({ replayed, requestId }).toEqual({ replayed: false, requestId: "order-000001" });
    expect(evidence).toMatchObject({ keyId: RING.keyId, timestampMs: NOW_MS, payloadHash: sha256(Buffer.from('{"n":1}')) });
    const gatewayKey = verifyingKey(new Uint8Array(Buffer.from(RING.jwks.keys[0]?.x ?? "", "base64url")));
    expect(gatewayKey.verify(evidence.signingInput, evidence.signature)).toBe(true);
    const kept = await client.execute("order.place", {}, { idempotencyKey: "order-000001" });
    expect(kept.replayed).toBe(true);
  });

  test("signs the idempotency key, and refuses one that the gateway would refuse", async () => {
    const requests: ExecuteCommandRequest[] = [];
    const client = clientOf({
      execute: (request) => {
        requests.push(request);
        return respond(request, RING, {});
      },
    });
    await client.execute("order.place", {}, { idempotencyKey: "order-000001" });
    const [request] = requests;
    if (request === undefined) throw new Error("no request was sent");
    const envelope = envelopeOf(request);
    expect(envelope.idempotencyKey).toBe("order-000001");
    const key = verifyingKey(DEVICE_KEY.publicKey);
    expect(key.verify(requestSigningInput(envelope), request.signature)).toBe(true);
    expect(key.verify(requestSigningInput({ ...envelope, idempotencyKey: "order-000002" }), request.signature)).toBe(false);
    for (const idempotencyKey of ["short", "x".repeat(129), "with space", "ümlaut-key"]) {
      expect(await failureOf(client.execute("order.place", {}, { idempotencyKey }))).toBeInstanceOf(RangeError);
    }
    expect(requests).toHaveLength(1);
  });

  test("returns no payload if the response has none", async () => {
    const client = clientOf({ execute: (request) => respond(request, RING, undefined) });
    expect(await client.execute("user.profile.get")).toMatchObject({ resultCode: "ok", payload: undefined });
  });

  test("accepts a response signed by the gateway's next key", async () => {
    const client = clientOf({ execute: (request) => respond(request, NEXT, 1) });
    expect((await client.execute("user.profile.get")).payload).toBe(1);
  });

  test("rejects with the reason of a refusal, and when it is aborted", async () => {
    const refusing = clientOf({ execute: () => Promise.reject(refusal("SESSION_REVOKED", Code.FailedPrecondition)) });
    expect(reasonOf(await failureOf(refusing.execute("user.profile.get")))).toBe("SESSION_REVOKED");
    const controller = new AbortController();
    const hanging = clientOf({
      execute: () => {
        controller.abort();
        return new Promise(() => {});
      },
    });
    const aborted = await failureOf(hanging.execute("user.profile.get", undefined, { signal: controller.signal }));
    expect(aborted).toMatchObject({ name: "GatewayError", code: "canceled" });
  });

  test.each([Number.POSITIVE_INFINITY, 1e12])("with timeoutMs = %d waits for the answer", async (timeoutMs) => {
    const execute = async (request: ExecuteCommandRequest) => {
      await Bun.sleep(50);
      return respond(request, RING, 1);
    };
    expect((await clientOf({ execute }).execute("user.profile.get", undefined, { timeoutMs })).payload).toBe(1);
    const retried = { idempotencyKey: "order-000001", timeoutMs, retry: { attemptTimeoutMs: timeoutMs } };
    expect((await clientOf({ execute }).execute("user.profile.get", undefined, retried)).payload).toBe(1);
  });

  test("rejects with DeadlineExceeded after timeoutMs", async () => {
    const client = clientOf({ execute: () => new Promise(() => {}) });
    expect(await failureOf(client.execute("user.profile.get", undefined, { timeoutMs: 5 }))).toMatchObject({
      code: "deadline_exceeded",
    });
  });
});

describe("execute rejects a response", () => {
  const cases: [name: string, check: TrustCheck, forge: (request: ExecuteCommandRequest) => ExecuteCommandResponse][] = [
    ["without an envelope", "envelope_missing", () => create(ExecuteCommandResponseSchema, {})],
    ["of another protocol version", "protocol_version", (request) => respond(request, RING, {}, { protocolVersion: "v2" })],
    [
      "to another request of this client",
      "request_id",
      (request) => respond(request, RING, {}, { requestId: "another-request" }),
    ],
    [
      "whose payload was replaced",
      "payload_hash",
      (request) => ({
        ...respond(request, RING, { balance: 1 }),
        payloadBytes: respond(request, RING, { balance: 9 }).payloadBytes,
      }),
    ],
    [
      "whose payload and payload_hash were replaced",
      "signature",
      (request) => ({ ...respond(request, RING, { balance: 9 }), signature: respond(request, RING, { balance: 1 }).signature }),
    ],
    [
      "whose result code was changed",
      "signature",
      (request) => altered(respond(request, RING, {}, { resultCode: "denied" }), { resultCode: "ok" }),
    ],
    ["whose timestamp was changed", "signature", (request) => altered(respond(request, RING, {}), { timestampMs: 1n })],
    ["to another session", "signature", (request) => respond(request, RING, {}, { deviceSessionId: "ds-2" })],
    ["to another message type", "signature", (request) => respond(request, RING, {}, { messageType: "user.account.delete" })],
    ["signed by a key that the gateway does not publish", "key_unknown", (request) => respond(request, FOREIGN, {})],
    [
      "signed by a foreign key under the gateway's key_id",
      "signature",
      (request) => respond(request, FOREIGN, {}, { keyId: RING.keyId }),
    ],
    [
      "whose key_id is another key of the gateway",
      "signature",
      (request) => altered(respond(request, RING, {}), { keyId: NEXT.keyId }),
    ],
    ["without a signature", "signature", (request) => ({ ...respond(request, RING, {}), signature: new Uint8Array() })],
  ];
  for (const [name, check, forge] of cases) {
    test(name, async () => {
      await expectUntrusted(clientOf({ execute: forge }).execute("user.account.close", {}), check);
    });
  }

  function altered(response: ExecuteCommandResponse, change: object): ExecuteCommandResponse {
    Object.assign(response.envelope ?? {}, change);
    return response;
  }
});

describe("executeSigned", () => {
  test("sends a signed request unchanged, any number of times", async () => {
    const requests: ExecuteCommandRequest[] = [];
    const client = clientOf({
      execute: (request) => {
        requests.push(request);
        return respond(request, RING, {});
      },
    });
    const request = await client.sign("user.profile.get", new Uint8Array([123, 125]), {
      requestId: "presigned-1",
      timestampMs: 5,
    });
    await client.executeSigned(request);
    await client.executeSigned(request);
    expect(requests.map(({ signature }) => signature)).toEqual([request.signature, request.signature]);
    expect(requests[0]?.envelope).toMatchObject({ requestId: "presigned-1", timestampMs: 5n });
  });
});
