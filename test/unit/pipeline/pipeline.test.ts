import { describe, expect, test } from "bun:test";
import type { BucketDemand, BucketStore, TakeOutcome } from "../../../src/core/buckets.ts";
import { refuse } from "../../../src/core/refusal.ts";
import { admit } from "../../../src/pipeline/pipeline.ts";
import type { PipelinePorts } from "../../../src/pipeline/ports.ts";
import {
  createPorts,
  incomingRequest,
  MARGIN_MS,
  NOW,
  type RequestChange,
  ROUTE,
  refusalOf,
  SESSION,
  WINDOW_MS,
} from "./support/fixture.ts";

function bucketsThat(answers: { take?: (scopes: string) => TakeOutcome; check?: TakeOutcome }): BucketStore {
  return {
    take: (demands) => answers.take?.(demands.map(({ scope }) => scope).join(",")) ?? true,
    spend() {},
    check: () => answers.check ?? true,
  };
}

async function reasonOf(change: RequestChange, overrides: Partial<PipelinePorts> = {}) {
  const { ports, recorded } = createPorts(overrides);
  return { ...(await refusalOf(() => admit(incomingRequest(change), ports))), steps: recorded.steps, recorded };
}

const forged: RequestChange["tamper"] = (message) => {
  message.signature = new Uint8Array(64);
};

describe("a valid request", () => {
  test("passes every check once, in the order of the contract", async () => {
    const { ports, recorded } = createPorts();
    const admitted = await admit(incomingRequest(), ports);
    expect(admitted).toMatchObject({ rpc: "ExecuteCommand", session: SESSION, mark: 3, route: { budget: undefined } });
    expect(recorded.steps).toEqual(["check failures", "find", "reserve", "remember", "take ip,session,user"]);
  });

  test("is charged to its network, session and user, and to its route if that has a budget", async () => {
    const budget = { ratePerSecond: 2, burst: 3 };
    const { ports, recorded } = createPorts();
    await admit(incomingRequest(), {
      ...ports,
      backend: { route: () => ({ ...ROUTE, budget }) },
    });
    expect(recorded.taken).toMatchObject([
      [
        { scope: "ip", key: "192.0.2.1" },
        { scope: "session", key: "session-1" },
        { scope: "user", key: "user-1" },
        { scope: "message_type", key: "user.profile.get user-1", budget },
      ],
    ]);
  });

  test("is reserved until its timestamp plus window plus margin", async () => {
    const { ports, recorded } = createPorts();
    const timestampMs = NOW - 1000;
    await admit(incomingRequest({ envelope: { timestampMs: BigInt(timestampMs) } }), ports);
    expect(recorded.reserved).toEqual([["session-1", "request-1", timestampMs + WINDOW_MS + MARGIN_MS]]);
  });

  test("of SubscribeEvents looks up no route", async () => {
    const { ports } = createPorts();
    const route = () => expect.unreachable();
    const admitted = await admit(incomingRequest({ rpc: "SubscribeEvents" }), {
      ...ports,
      backend: { ...ports.backend, route },
    });
    expect(admitted.route).toBeUndefined();
  });
});

describe("each check, when it refuses, spends one failure and prevents all later checks:", () => {
  const spent = "spend failures";

  test("envelope", async () => {
    const { reason, steps } = await reasonOf({ envelope: { requestId: "short" } });
    expect([reason, steps]).toEqual(["MALFORMED_ENVELOPE", ["check failures", spent]]);
  });

  test("unknown session", async () => {
    const { reason, steps } = await reasonOf({ envelope: { deviceSessionId: "nobody" } });
    expect([reason, steps]).toEqual(["SESSION_NOT_FOUND", ["check failures", "find", spent]]);
  });

  test("revoked session", async () => {
    const sessions = { find: () => ({ session: { ...SESSION, status: "revoked" as const }, mark: 0 }) };
    expect((await reasonOf({}, { sessions })).reason).toBe("SESSION_REVOKED");
  });

  test("session that cannot be looked up", async () => {
    const sessions = { find: () => Promise.reject(refuse("SESSION_LOOKUP_UNAVAILABLE")) };
    expect((await reasonOf({}, { sessions })).reason).toBe("SESSION_LOOKUP_UNAVAILABLE");
  });

  test("payload swapped after signing", async () => {
    const { reason, steps } = await reasonOf({
      tamper: (message) => {
        message.payloadBytes = new TextEncoder().encode('{"swapped":true}');
      },
    });
    expect([reason, steps]).toEqual(["PAYLOAD_HASH_MISMATCH", ["check failures", "find", spent]]);
  });

  test("forged signature; the peer is not marked as verified", async () => {
    const { reason, steps } = await reasonOf({ tamper: forged });
    expect([reason, steps]).toEqual(["SIGNATURE_INVALID", ["check failures", "find", spent]]);
  });

  test.each(["deviceSessionId", "messageType", "requestId", "timestampMs"] as const)(
    "%s changed after signing",
    async (field) => {
      const changed = {
        deviceSessionId: "session-2",
        messageType: "user.profile.gat",
        requestId: "request-2",
        timestampMs: 7n,
      };
      const sessions = { find: () => ({ session: SESSION, mark: 0 }) };
      const { reason } = await reasonOf(
        { tamper: ({ envelope }) => void Object.assign(envelope ?? {}, { [field]: changed[field] }) },
        { sessions },
      );
      expect(reason).toBe("SIGNATURE_INVALID");
    },
  );

  test("timestamp 1 ms outside the window, in the past or future; nothing is reserved", async () => {
    for (const offset of [WINDOW_MS + 1, -WINDOW_MS - 1]) {
      const { reason, metadata, recorded } = await reasonOf({ envelope: { timestampMs: BigInt(NOW + offset) } });
      expect([reason, metadata]).toEqual(["TIMESTAMP_OUT_OF_WINDOW", { server_time_ms: String(NOW), window_ms: "60000" }]);
      expect(recorded.reserved).toEqual([]);
    }
    for (const offset of [WINDOW_MS, -WINDOW_MS]) {
      const { ports } = createPorts();
      await admit(incomingRequest({ envelope: { timestampMs: BigInt(NOW + offset) } }), ports);
    }
  });

  test.each([9_007_199_254_740_993n, 9_223_372_036_854_775_807n])("timestamp of %d ms", async (timestampMs) => {
    expect((await reasonOf({ envelope: { timestampMs } })).reason).toBe("TIMESTAMP_OUT_OF_WINDOW");
  });

  test("unavailable replay store; a verified peer stays verified, and no other becomes verified", async () => {
    const reserve = () => Promise.reject(refuse("REPLAY_STORE_UNAVAILABLE"));
    for (const isVerified of [true, false]) {
      const remembered: string[] = [];
      const verifiedPeers = {
        has: () => isVerified,
        hasAny: () => isVerified,
        remember: (_: string, id: string) => void remembered.push(id),
      };
      const { reason } = await reasonOf({}, { replay: { reserve }, verifiedPeers });
      expect([reason, remembered]).toEqual(["REPLAY_STORE_UNAVAILABLE", isVerified ? [SESSION.deviceSessionId] : []]);
    }
  });

  test("replayed request", async () => {
    const { reason, steps } = await reasonOf({}, { replay: { reserve: () => false } });
    expect([reason, steps]).toEqual(["REQUEST_REPLAYED", ["check failures", "find", spent]]);
  });

  test("full replay store", async () => {
    const reserve = () => {
      throw refuse("REPLAY_STORE_UNAVAILABLE");
    };
    expect((await reasonOf({}, { replay: { reserve } })).reason).toBe("REPLAY_STORE_UNAVAILABLE");
  });

  test("budgets; this refusal spends no failure", async () => {
    const scopes: string[] = [];
    const buckets = bucketsThat({
      take: (each) => {
        scopes.push(each);
        return { refusedBy: "user", retryAfterMs: 1500 };
      },
    });
    const { reason, metadata, retryAfterMs } = await reasonOf({}, { buckets });
    expect([reason, metadata, retryAfterMs]).toEqual(["RATE_LIMITED", { scope: "user" }, 1500]);
    expect(scopes).toEqual(["ip,session,user"]);
  });
});

describe("an empty failure budget", () => {
  const emptied = bucketsThat({ check: { refusedBy: "failures", retryAfterMs: 2000 } });

  test("refuses before the session is looked up and spends nothing", async () => {
    const { reason, metadata, retryAfterMs, steps } = await reasonOf({ tamper: forged }, { buckets: emptied });
    expect([reason, metadata, retryAfterMs]).toEqual(["RATE_LIMITED", { scope: "failures" }, 2000]);
    expect(steps).toEqual([]);
  });

  test("does not refuse a session that was recently verified from the same network", async () => {
    const verifiedPeers = {
      remember() {},
      has: (network: string, session: string) => network === "192.0.2.1" && session === "session-1",
      hasAny: (network: string) => network === "192.0.2.1",
    };
    const unverifiedBuckets = {
      ...emptied,
      check: (each: BucketDemand) => each.scope !== "failures" || emptied.check(each, NOW),
    };
    const overrides = { unverifiedBuckets, verifiedPeers };
    expect((await admit(incomingRequest(), createPorts(overrides).ports)).session).toBe(SESSION);
    const { reason } = await reasonOf({ envelope: { deviceSessionId: "session-2" } }, overrides);
    expect(reason).toBe("RATE_LIMITED");
  });

  test("also refuses a request without an envelope", async () => {
    const { reason } = await reasonOf(
      {
        tamper: (message) => {
          delete message.envelope;
        },
      },
      { buckets: emptied },
    );
    expect(reason).toBe("RATE_LIMITED");
  });
});

test("an unexpected error of a store admits no request", async () => {
  const broken = () => {
    throw new Error("out of order");
  };
  const { ports } = createPorts();
  for (const overrides of [
    { sessions: { find: broken } },
    { replay: { reserve: broken } },
    { buckets: { take: broken, spend() {}, check: () => true as const } },
    { unverifiedBuckets: { take: () => true as const, spend() {}, check: broken } },
  ]) {
    expect(await admit(incomingRequest(), { ...ports, ...overrides }).catch((error) => error)).toBeInstanceOf(Error);
  }
});
