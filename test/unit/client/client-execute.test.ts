import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { RepeatTooLateError, reasonOf, type TrustCheck } from "../../../src/client/errors.ts";
import { verifyingKey } from "../../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../../src/crypto/signing-input.ts";
import {
  type ExecuteCommandRequest,
  type ExecuteCommandResponse,
  ExecuteCommandResponseSchema,
  type SubscribeEventsRequest,
} from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { envelopeOf, event, type FakeHandlers, NOW_MS, refusal, respond, serverTime } from "./fake-gateway.ts";
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

  /** A gateway whose clock is right, and what it let in and refused. */
  function honestGateway(timestamps: number[] = [], ids: string[] = []): FakeHandlers {
    return {
      execute: (request) => {
        ids.push(envelopeOf(request).requestId);
        timestamps.push(Number(envelopeOf(request).timestampMs) - NOW_MS);
        check(request);
        return respond(request, RING, "done");
      },
      subscribe: async function* (request) {
        check(request);
        yield serverTime(request, RING);
      },
    };
  }

  test.each([aheadMs, -aheadMs])(
    "by %d ms executes all the same, once the gateway's clock is confirmed, under a new id",
    async (off) => {
      const [timestamps, ids]: [number[], string[]] = [[], []];
      const client = clientOf(honestGateway(timestamps, ids), { now: () => NOW_MS + off });
      expect((await client.execute("user.profile.get")).payload).toBe("done");
      expect((await client.execute("user.profile.get")).payload).toBe("done");
      expect(timestamps).toEqual([off, 0, 0]);
      expect(new Set(ids).size).toBe(3);
    },
  );

  test("is corrected by a day at most, unless the app allows more", async () => {
    const dayMs = 86_400_000;
    for (const [off, clockOffsetMaxMs, calls] of [
      [dayMs, undefined, 2],
      [dayMs + 1, undefined, 1],
      [-dayMs - 1, undefined, 1],
      [dayMs + 1, 2 * dayMs, 2],
    ] as const) {
      const timestamps: number[] = [];
      const client = clientOf(honestGateway(timestamps), { now: () => NOW_MS + off, clockOffsetMaxMs });
      await failureOf(client.execute("user.profile.get"));
      expect(timestamps).toHaveLength(calls);
    }
  });

  test("does not sign a request id of the app's own a second time", async () => {
    const timestamps: number[] = [];
    const client = clientOf(honestGateway(timestamps), { now: () => NOW_MS - aheadMs });
    const attempt = () => failureOf(client.execute("user.profile.get", undefined, { requestId: "order-000001" }));
    expect(reasonOf(await attempt())).toBe("TIMESTAMP_OUT_OF_WINDOW");
    expect(await attempt()).toBeInstanceOf(RepeatTooLateError);
    expect(timestamps).toEqual([-aheadMs]);
    expect((await client.execute("user.profile.get")).payload).toBe("done");
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

  test("subscribes by a time that is claimed, and goes by it only if the stream is signed", async () => {
    const timestamps: number[] = [];
    const client = clientOf(
      {
        execute: (request) => {
          timestamps.push(Number(envelopeOf(request).timestampMs) - NOW_MS);
          return respond(request, RING, 1);
        },
        subscribe: async function* (request) {
          check(request);
          yield serverTime(request, STRANGER);
        },
      },
      { now: () => NOW_MS - aheadMs },
    );
    await expectUntrusted(collect(client.subscribe()), "key_unknown");
    await client.execute("user.profile.get");
    expect(timestamps).toEqual([-aheadMs]);
  });
});

describe("a refusal that claims another time is not signed, and may be anybody's:", () => {
  const claim = (serverTimeMs: string) =>
    refusal("TIMESTAMP_OUT_OF_WINDOW", Code.FailedPrecondition, { server_time_ms: serverTimeMs, window_ms: "1" });
  const subscribes: Record<string, FakeHandlers["subscribe"]> = {
    "nobody answers the question": undefined,
    "a stranger answers it": async function* (request) {
      yield serverTime(request, STRANGER);
    },
    "the gateway answers that the clock is right": async function* (request) {
      yield serverTime(request, RING);
    },
  };

  test.each(Object.entries(subscribes))(
    "the command is sent once, and the clock stays as it is, where %s",
    async (_, subscribe) => {
      for (const claimed of [NOW_MS + 600_000, NOW_MS - 600_000, NOW_MS + 50_000, 1000, 8.64e15]
        .map(String)
        .concat("", "x", "Infinity")) {
        const timestamps: number[] = [];
        const client = clientOf({
          ...(subscribe && { subscribe }),
          execute: (request) => {
            timestamps.push(Number(envelopeOf(request).timestampMs) - NOW_MS);
            throw claim(claimed);
          },
        });
        for (let again = 0; again < 2; again++) {
          expect(reasonOf(await failureOf(client.execute("user.profile.get")))).toBe("TIMESTAMP_OUT_OF_WINDOW");
        }
        expect(timestamps).toEqual([0, 0]);
      }
    },
  );

  test("nor is it sent again where the gateway does not say what it admits", async () => {
    let calls = 0;
    const client = clientOf(
      {
        execute: () => {
          calls++;
          throw claim(String(NOW_MS));
        },
        subscribe: async function* (request) {
          const { deviceSessionId, requestId } = envelopeOf(request);
          const payload = { server_time_ms: NOW_MS, request_id: requestId, user_id: "u-1" };
          yield event(RING, `session:${deviceSessionId}`, "gateway.server_time", payload);
        },
      },
      { now: () => NOW_MS - 3_600_000 },
    );
    expect(reasonOf(await failureOf(client.execute("user.profile.get")))).toBe("TIMESTAMP_OUT_OF_WINDOW");
    expect(calls).toBe(1);
  });

  test.each([
    ["had started by then, and admits nothing signed before", NOW_MS, 2],
    ["may have started since", NOW_MS + 1, 1],
  ])("it is sent again where the gateway %s", async (_, admitsSinceMs, expected) => {
    let [deviceMs, calls] = [NOW_MS - 2000, 0];
    const client = clientOf(
      {
        execute: (request) => {
          if (++calls > 1) return respond(request, RING, 1);
          deviceMs += 500;
          throw claim(String(deviceMs + 2000));
        },
        subscribe: async function* (request) {
          const { deviceSessionId, requestId } = envelopeOf(request);
          const times = { server_time_ms: deviceMs + 2000, freshness_window_ms: 60_000, admits_since_ms: admitsSinceMs };
          const payload = { ...times, request_id: requestId, user_id: "u-1" };
          yield event(RING, `session:${deviceSessionId}`, "gateway.server_time", payload);
        },
      },
      { now: () => deviceMs },
    );
    await failureOf(client.execute("user.profile.get"));
    expect(calls).toBe(expected);
  });

  test("nor is it sent again where the answer was held back until the request had become too old", async () => {
    let [nowMs, calls] = [NOW_MS, 0];
    const late = (request: SubscribeEventsRequest) => {
      const { deviceSessionId, requestId } = envelopeOf(request);
      const payload = { server_time_ms: nowMs, request_id: requestId, user_id: "u-1", freshness_window_ms: 60_000 };
      return event(RING, `session:${deviceSessionId}`, "gateway.server_time", payload);
    };
    const client = clientOf(
      {
        execute: () => {
          calls++;
          nowMs += 120_000;
          throw claim(String(nowMs));
        },
        subscribe: async function* (request) {
          yield late(request);
        },
      },
      { now: () => nowMs },
    );
    expect(reasonOf(await failureOf(client.execute("user.profile.get")))).toBe("TIMESTAMP_OUT_OF_WINDOW");
    expect(calls).toBe(1);
  });
});

describe("a request id that is repeated", () => {
  test("is signed for the moment of its first attempt, and after the window not at all", async () => {
    let nowMs = NOW_MS;
    const signatures: string[] = [];
    const client = clientOf(
      {
        execute: (request) => {
          signatures.push(Buffer.from(request.signature).toString("hex"));
          return respond(request, RING, 1);
        },
      },
      { now: () => nowMs },
    );
    const attempt = (requestId: string) => client.execute("user.profile.get", {}, { requestId });
    for (const sinceMs of [0, 1, 59_999, 60_000]) {
      nowMs = NOW_MS + sinceMs;
      await attempt("order-000001");
    }
    expect(new Set(signatures).size).toBe(1);
    nowMs = NOW_MS + 60_001;
    const error = await failureOf(attempt("order-000001"));
    expect(error).toBeInstanceOf(RepeatTooLateError);
    expect(error).toMatchObject({ untilMs: NOW_MS + 60_000 });
    expect(signatures).toHaveLength(4);
    await attempt("order-000002");
    expect(new Set(signatures).size).toBe(2);
  });

  test("is remembered past thousands of others", async () => {
    let nowMs = NOW_MS;
    const client = clientOf({ execute: (request) => respond(request, RING, 1) }, { now: () => nowMs });
    const attempt = (at: number) => client.execute("user.profile.get", {}, { requestId: `order-${at}-of-many` });
    for (let at = 0; at < 4200; at++) await attempt(at);
    nowMs += 60_001;
    expect(await failureOf(attempt(0))).toBeInstanceOf(RepeatTooLateError);
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
