import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { reasonOf, type TrustCheck } from "../../../src/client/errors.ts";
import { verifyingKey } from "../../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../../src/crypto/signing-input.ts";
import {
  type ExecuteCommandRequest,
  type ExecuteCommandResponse,
  ExecuteCommandResponseSchema,
  type SubscribeEventsRequest,
} from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { envelopeOf, NOW_MS, refusal, respond, serverTime } from "./fake-gateway.ts";
import { clientOf, collect, DEVICE_KEY, expectUntrusted, failureOf, NEXT, RING, SESSION, STRANGER } from "./test-client.ts";

describe("execute", () => {
  test("sends a request that the gateway can verify, with payload, headers and a fresh id", async () => {
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

  test("gives the result code and the payload, of a business error as well", async () => {
    const client = clientOf({
      execute: (request) => respond(request, RING, { code: "name_empty" }, { resultCode: "name_empty" }),
    });
    const result = await client.execute("user.profile.update", {});
    expect(result).toMatchObject({ resultCode: "name_empty", payload: { code: "name_empty" } });
    expect(new TextDecoder().decode(result.payloadBytes)).toBe('{"code":"name_empty"}');
  });

  test("gives no payload where there is none", async () => {
    const client = clientOf({ execute: (request) => respond(request, RING, undefined) });
    expect(await client.execute("user.profile.get")).toMatchObject({ resultCode: "ok", payload: undefined });
  });

  test("takes a response by the gateway's next key", async () => {
    const client = clientOf({ execute: (request) => respond(request, NEXT, 1) });
    expect((await client.execute("user.profile.get")).payload).toBe(1);
  });

  test("passes a refusal on with its reason, and ends when it is aborted", async () => {
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
    expect(aborted).toMatchObject({ code: Code.Canceled });
  });

  test("ends when the gateway takes longer than it was given", async () => {
    const client = clientOf({ execute: () => new Promise(() => {}) });
    expect(await failureOf(client.execute("user.profile.get", undefined, { timeoutMs: 5 }))).toMatchObject({
      code: Code.DeadlineExceeded,
    });
  });
});

describe("execute hands out nothing of a response", () => {
  const cases: [name: string, check: TrustCheck, forge: (request: ExecuteCommandRequest) => ExecuteCommandResponse][] = [
    ["without an envelope", "envelope_missing", () => create(ExecuteCommandResponseSchema, {})],
    ["of another protocol version", "protocol_version", (request) => respond(request, RING, {}, { protocolVersion: "v2" })],
    ["to another request of ours", "request_id", (request) => respond(request, RING, {}, { requestId: "another-request" })],
    [
      "whose payload was swapped",
      "payload_hash",
      (request) => ({
        ...respond(request, RING, { balance: 1 }),
        payloadBytes: respond(request, RING, { balance: 9 }).payloadBytes,
      }),
    ],
    [
      "whose payload and hash were swapped",
      "signature",
      (request) => ({ ...respond(request, RING, { balance: 9 }), signature: respond(request, RING, { balance: 1 }).signature }),
    ],
    [
      "whose result code was changed",
      "signature",
      (request) => altered(respond(request, RING, {}, { resultCode: "denied" }), { resultCode: "ok" }),
    ],
    ["whose time was changed", "signature", (request) => altered(respond(request, RING, {}), { timestampMs: 1n })],
    ["to another session", "signature", (request) => respond(request, RING, {}, { deviceSessionId: "ds-2" })],
    ["to another message type", "signature", (request) => respond(request, RING, {}, { messageType: "user.account.delete" })],
    ["by a key that is not the gateway's", "key_unknown", (request) => respond(request, STRANGER, {})],
    [
      "by a stranger in the name of the gateway's key",
      "signature",
      (request) => respond(request, STRANGER, {}, { keyId: RING.keyId }),
    ],
    [
      "that names another key of the gateway's than it was signed with",
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

describe("a device whose clock is wrong", () => {
  const aheadMs = 3_600_000;

  /** Refuses what is signed more than a minute off. */
  function check(request: ExecuteCommandRequest | SubscribeEventsRequest): void {
    if (Math.abs(Number(envelopeOf(request).timestampMs) - NOW_MS) <= 60_000) return;
    throw refusal("TIMESTAMP_OUT_OF_WINDOW", Code.FailedPrecondition, { server_time_ms: String(NOW_MS), window_ms: "60000" });
  }

  test("executes all the same, under the same request id, and keeps to the gateway's clock from then on", async () => {
    const ids: string[] = [];
    const client = clientOf(
      {
        execute: (request) => {
          ids.push(envelopeOf(request).requestId);
          check(request);
          return respond(request, RING, "done");
        },
      },
      { now: () => NOW_MS + aheadMs },
    );
    expect((await client.execute("user.profile.get")).payload).toBe("done");
    expect((await client.execute("user.profile.get")).payload).toBe("done");
    expect(ids).toHaveLength(3);
    expect(ids[1]).toBe(ids[0] ?? "");
  });

  test("subscribes all the same", async () => {
    const client = clientOf(
      {
        subscribe: async function* (request) {
          check(request);
          yield serverTime(request, RING);
        },
      },
      { now: () => NOW_MS - aheadMs },
    );
    expect(await collect(client.subscribe())).toHaveLength(1);
  });

  test("is not tried a third time, nor repaired by a time that is none", async () => {
    for (const [metadata, expected] of [
      [{ server_time_ms: "1000" }, 2],
      [{ server_time_ms: "" }, 1],
      [{ server_time_ms: "Infinity" }, 1],
      [{}, 1],
    ] as const) {
      let calls = 0;
      const client = clientOf({
        execute: () => {
          calls++;
          throw refusal("TIMESTAMP_OUT_OF_WINDOW", Code.FailedPrecondition, { ...metadata });
        },
      });
      expect(reasonOf(await failureOf(client.execute("user.profile.get")))).toBe("TIMESTAMP_OUT_OF_WINDOW");
      expect(calls).toBe(expected);
    }
  });
});

describe("a request that was signed by hand", () => {
  test("goes out as it is, however often, so that replays and tampering can be tried", async () => {
    const requests: ExecuteCommandRequest[] = [];
    const client = clientOf({
      execute: (request) => {
        requests.push(request);
        return respond(request, RING, {});
      },
    });
    const request = await client.sign("user.profile.get", new Uint8Array([123, 125]), {
      requestId: "by-hand-1",
      timestampMs: 5,
    });
    await client.executeSigned(request);
    await client.executeSigned(request);
    expect(requests.map(({ signature }) => signature)).toEqual([request.signature, request.signature]);
    expect(requests[0]?.envelope).toMatchObject({ requestId: "by-hand-1", timestampMs: 5n });
  });
});
