import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { RepeatTooLateError, reasonOf } from "../../../src/client/errors.ts";
import type { ExecuteCommandRequest, SubscribeEventsRequest } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { envelopeOf, event, type FakeHandlers, NOW_MS, refusal, respond, serverTime } from "./fake-gateway.ts";
import { clientOf, collect, expectUntrusted, FOREIGN, failureOf, RING } from "./test-client.ts";

describe("with a wrong device clock", () => {
  const aheadMs = 3_600_000;

  /** Refuses timestamps more than a minute off. */
  function checkTimestamp(request: ExecuteCommandRequest | SubscribeEventsRequest): void {
    if (Math.abs(Number(envelopeOf(request).timestampMs) - NOW_MS) <= 60_000) return;
    throw refusal("TIMESTAMP_OUT_OF_WINDOW", Code.FailedPrecondition, { server_time_ms: String(NOW_MS), window_ms: "60000" });
  }

  /** A gateway with a right clock. It records the timestamp offset and the id of each command. */
  function honestGateway(timestamps: number[] = [], ids: string[] = []): FakeHandlers {
    return {
      execute: (request) => {
        ids.push(envelopeOf(request).requestId);
        timestamps.push(Number(envelopeOf(request).timestampMs) - NOW_MS);
        checkTimestamp(request);
        return respond(request, RING, "done");
      },
      subscribe: async function* (request) {
        checkTimestamp(request);
        yield serverTime(request, RING);
      },
    };
  }

  test.each([aheadMs, -aheadMs])(
    "of %d ms, execute confirms the gateway's clock and sends again under a new id",
    async (off) => {
      const [timestamps, ids]: [number[], string[]] = [[], []];
      const client = clientOf(honestGateway(timestamps, ids), { now: () => NOW_MS + off });
      expect((await client.execute("user.profile.get")).payload).toBe("done");
      expect((await client.execute("user.profile.get")).payload).toBe("done");
      expect(timestamps).toEqual([off, 0, 0]);
      expect(new Set(ids).size).toBe(3);
    },
  );

  test("the clock is corrected by at most one day, or by clockOffsetMaxMs", async () => {
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

  test("execute does not sign a caller's request id again", async () => {
    const timestamps: number[] = [];
    const client = clientOf(honestGateway(timestamps), { now: () => NOW_MS - aheadMs });
    const attempt = () => failureOf(client.execute("user.profile.get", undefined, { requestId: "order-000001" }));
    expect(reasonOf(await attempt())).toBe("TIMESTAMP_OUT_OF_WINDOW");
    expect(await attempt()).toBeInstanceOf(RepeatTooLateError);
    expect(timestamps).toEqual([-aheadMs]);
    expect((await client.execute("user.profile.get")).payload).toBe("done");
  });

  test("subscribe succeeds", async () => {
    const client = clientOf(
      {
        subscribe: async function* (request) {
          checkTimestamp(request);
          yield serverTime(request, RING);
        },
      },
      { now: () => NOW_MS - aheadMs },
    );
    expect(await collect(client.openStream())).toHaveLength(1);
  });

  test("a claimed time is used to subscribe, and sets the clock only if the stream verifies", async () => {
    const timestamps: number[] = [];
    const client = clientOf(
      {
        execute: (request) => {
          timestamps.push(Number(envelopeOf(request).timestampMs) - NOW_MS);
          return respond(request, RING, 1);
        },
        subscribe: async function* (request) {
          checkTimestamp(request);
          yield serverTime(request, FOREIGN);
        },
      },
      { now: () => NOW_MS - aheadMs },
    );
    await expectUntrusted(collect(client.openStream()), "key_unknown");
    await client.execute("user.profile.get");
    expect(timestamps).toEqual([-aheadMs]);
  });
});

describe("a forged refusal with another server time", () => {
  const claim = (serverTimeMs: string) =>
    refusal("TIMESTAMP_OUT_OF_WINDOW", Code.FailedPrecondition, { server_time_ms: serverTimeMs, window_ms: "1" });
  const subscribes: Record<string, FakeHandlers["subscribe"]> = {
    "the subscription is unimplemented": undefined,
    "the subscription is answered with a foreign key": async function* (request) {
      yield serverTime(request, FOREIGN);
    },
    "the gateway confirms the client's clock": async function* (request) {
      yield serverTime(request, RING);
    },
  };

  test.each(Object.entries(subscribes))("does not make the client resend or set its clock if %s", async (_, subscribe) => {
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
  });

  test("does not make the client resend if the gateway does not state its freshness window", async () => {
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
    ["resent if the gateway admits no such timestamp since before the request", NOW_MS, 2],
    ["not resent if the gateway may have started after the request", NOW_MS + 1, 1],
  ])("a refused command is %s", async (_, admitsSinceMs, expected) => {
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

  test("does not make the client resend if it was delayed until the request was too old", async () => {
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

describe("a repeated request id", () => {
  test("is signed with its first timestamp, and rejected after the freshness window", async () => {
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

  test("is remembered after 4,096 other ids", async () => {
    let nowMs = NOW_MS;
    const client = clientOf({ execute: (request) => respond(request, RING, 1) }, { now: () => nowMs });
    const attempt = (at: number) => client.execute("user.profile.get", {}, { requestId: `order-${at}-of-many` });
    for (let at = 0; at < 4200; at++) await attempt(at);
    nowMs += 60_001;
    expect(await failureOf(attempt(0))).toBeInstanceOf(RepeatTooLateError);
  });
});
