import { describe, expect, test } from "bun:test";
import { refuse } from "../../../src/core/refusal.ts";
import type { FoundSession } from "../../../src/core/sessions.ts";
import { admit } from "../../../src/pipeline/pipeline.ts";
import type { PipelinePorts } from "../../../src/pipeline/ports.ts";
import { MemoryBucketStore } from "../../../src/stores/memory/buckets.ts";
import { SplitBucketStore } from "../../../src/stores/memory/split-buckets.ts";
import { MemoryVerifiedPeers } from "../../../src/stores/memory/verified-peers.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { until } from "../../support/until.ts";
import { createPorts, incomingRequest, NOW, refusalOf, SESSION } from "./support/fixture.ts";

const BURST = 20;
const RATE = 1;
const ROOMY = { ratePerSecond: 1e6, burst: 1e6 };

/** A pipeline with real buckets. Session look-ups stay pending until `answerAll`; a session exists if its id starts with "good". */
function createPipeline(overrides: Partial<PipelinePorts> = {}) {
  const clock = new ManualClock(NOW);
  const recorded: string[] = [];
  const pending: (() => void)[] = [];
  const budgets = { ip: ROOMY, session: ROOMY, user: ROOMY, failures: { ratePerSecond: RATE, burst: BURST } };
  const find = (id: string) => {
    recorded.push(id);
    const { promise, resolve } = Promise.withResolvers<FoundSession | undefined>();
    pending.push(() => resolve(id.startsWith("good") ? { session: { ...SESSION, deviceSessionId: id }, mark: 0 } : undefined));
    return promise;
  };
  const { ports } = createPorts({
    sessions: { find },
    buckets: new MemoryBucketStore({ entriesMax: 10_000 }),
    unverifiedBuckets: new MemoryBucketStore({ entriesMax: 100 }),
    verifiedPeers: new MemoryVerifiedPeers({ ttlMs: 30_000, entriesMax: 10_000 }),
    replay: { reserve: () => true },
    clock,
    budgets,
    ...overrides,
  });
  let requests = 0;
  const from = (deviceSessionId: string, network = "192.0.2.1") => {
    const requestId = `request-${requests++}`;
    const request = incomingRequest({ envelope: { deviceSessionId, requestId, timestampMs: BigInt(clock.now()) } });
    return admit({ ...request, peer: { address: network, network } }, ports).then(
      () => "ok",
      ({ reason, metadata }) => [reason, metadata.scope].filter(Boolean).join(" "),
    );
  };
  return {
    ports,
    recorded,
    from,
    advance: (ms: number) => clock.advance(ms),
    /** Answers all look-ups, including new ones, until all outcomes are settled. */
    async answerAll(outcomes: readonly Promise<string>[]) {
      let settled = false;
      const all = Promise.all(outcomes).finally(() => {
        settled = true;
      });
      while (!settled) {
        for (const answer of pending.splice(0)) answer();
        await Bun.sleep(0);
      }
      return all;
    },
  };
}

function tally(outcomes: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(Object.groupBy(outcomes, (each) => each)).map(([key, all]) => [key, all?.length ?? 0]),
  );
}

describe("a thousand concurrent guesses from one address", () => {
  test("cause no more look-ups than the burst", async () => {
    const { from, recorded, answerAll } = createPipeline();
    const outcomes = Array.from({ length: 1000 }, (_, n) => from(`guess-${n}`));
    await until(() => recorded.length === BURST, "as many look-ups as the burst");
    expect(tally(await answerAll(outcomes))).toEqual({ SESSION_NOT_FOUND: BURST, "RATE_LIMITED failures": 1000 - BURST });
    expect(recorded).toHaveLength(BURST);
  });

  test("repeated over time cause no more look-ups than burst and rate allow", async () => {
    const { from, recorded, answerAll, advance } = createPipeline();
    for (let round = 0; round < 30; round++) {
      await answerAll(Array.from({ length: 200 }, (_, n) => from(`guess-${round}-${n}`)));
      advance(500);
    }
    expect(recorded.length).toBeLessThanOrEqual(BURST + 15 * RATE);
    expect(recorded.length).toBeGreaterThan(BURST + 10 * RATE);
  });

  test("do not affect clients of another address", async () => {
    const { from, recorded, answerAll } = createPipeline();
    const guesses = Array.from({ length: 1000 }, (_, n) => from(`guess-${n}`));
    const good = from("good", "192.0.2.2");
    await until(() => recorded.includes("good"), "the good client to be looked up");
    expect(await answerAll([...guesses, good])).toContain("ok");
  });

  test("do not affect a session that was verified from that address", async () => {
    const { from, answerAll } = createPipeline();
    await answerAll([from("good")]);
    const guesses = Array.from({ length: 1000 }, (_, n) => from(`guess-${n}`));
    const good = Array.from({ length: 50 }, () => from("good"));
    expect(tally(await answerAll([...good, ...guesses]))).toMatchObject({ ok: 50 });
  });
});

describe("an exempt session", () => {
  const tables = (entriesMax: number) => {
    const verified = new MemoryBucketStore({ entriesMax: 10_000 });
    const unverified = new MemoryBucketStore({ entriesMax });
    const exempt = new MemoryBucketStore({ entriesMax: 10_000 });
    return { buckets: verified, unverifiedBuckets: new SplitBucketStore({ exempt, unverified }) };
  };

  test("is charged for its failures in its own table, which unknown clients cannot fill", async () => {
    const { ports, from, answerAll } = createPipeline({ ...tables(1), replay: { reserve: (_, id) => !id.endsWith("7") } });
    await answerAll([from("good")]);
    await answerAll([from("guess", "198.51.100.1")]);
    expect(await answerAll([from("good-stranger", "198.51.100.2")])).toEqual(["RATE_LIMITED failures"]);
    expect(await answerAll([from("good")])).toEqual(["ok"]);
    const demand = { scope: "session_failures", key: "192.0.2.1 good", budget: ports.budgets.failures } as const;
    for (let at = 0; at < 10; at++) await answerAll([from("good")]);
    expect([19, 20].map((tokens) => ports.unverifiedBuckets.check(demand, NOW, tokens) === true)).toEqual([true, false]);
  });

  test("is not charged for an outage of the replay store, so it is admitted immediately after it", async () => {
    let isAway = false;
    const reserve = () => {
      if (isAway) throw refuse("REPLAY_STORE_UNAVAILABLE");
      return true;
    };
    const { from, answerAll } = createPipeline({ ...tables(100), replay: { reserve } });
    await answerAll([from("good")]);
    isAway = true;
    const during = await answerAll(Array.from({ length: 100 }, () => from("good")));
    expect(tally(during)).toEqual({ REPLAY_STORE_UNAVAILABLE: 100 });
    isAway = false;
    expect(await answerAll([from("good")])).toEqual(["ok"]);
  });
});

describe("a thousand devices behind one address, immediately after a restart", () => {
  test("are all admitted", async () => {
    const { from, recorded, answerAll } = createPipeline();
    const devices = Array.from({ length: 1000 }, (_, n) => from(`good-${n}`));
    await until(() => recorded.length === BURST, "the first look-ups");
    expect(tally(await answerAll(devices))).toEqual({ ok: 1000 });
  });

  test("wait at most in the number of the IP burst; the others are refused with RATE_LIMITED", async () => {
    const { ports, from, recorded, answerAll } = createPipeline();
    Object.assign(ports.budgets, { ip: { ratePerSecond: 50, burst: 100 } });
    const devices = Array.from({ length: 1000 }, (_, n) => from(`good-${n}`));
    const outcomes = tally(await answerAll(devices));
    expect(outcomes["ok"]).toBe(100);
    expect(outcomes["RATE_LIMITED failures"]).toBe(1000 - BURST - 100);
    expect(recorded).toHaveLength(BURST + 100);
  });

  test("are admitted despite an attacker among them: each guess costs a token, each device none", async () => {
    const { from, answerAll } = createPipeline();
    const guesses = BURST - 1;
    const all = Array.from({ length: 500 }, (_, n) => from(n < guesses ? `guess-${n}` : `good-${n}`));
    expect(tally(await answerAll(all))).toEqual({ SESSION_NOT_FOUND: guesses, ok: 500 - guesses });
  });
});

test("no permits are kept for a network once its requests are answered", async () => {
  const { ports, from, answerAll } = createPipeline();
  await answerAll(Array.from({ length: 300 }, (_, n) => from(n % 2 === 0 ? `good-${n}` : `guess-${n}`, `192.0.2.${n % 7}`)));
  for (let n = 0; n < 7; n++) {
    expect(ports.failurePermits.held(`192.0.2.${n}`)).toBe(0);
    expect(ports.failurePermits.nextRelease(`192.0.2.${n}`, 100)).toBeUndefined();
  }
});

describe("a request signed before this process started", () => {
  const since = NOW - 1000;

  test("is refused with the gateway's time, so that the client signs it again: its reservation may be lost", async () => {
    const { ports, recorded } = createPorts({ replayCoverageStartMs: since });
    const early = incomingRequest({ envelope: { timestampMs: BigInt(since - 1) } });
    const { reason, metadata } = await refusalOf(() => admit(early, ports));
    expect([reason, metadata]).toEqual(["TIMESTAMP_OUT_OF_WINDOW", { server_time_ms: String(NOW), window_ms: "60000" }]);
    expect(recorded.reserved).toEqual([]);
    await admit(incomingRequest({ envelope: { timestampMs: BigInt(since) } }), ports);
  });

  test("is not charged as a failure, so a restart locks out no address", async () => {
    const { ports, recorded } = createPorts({ replayCoverageStartMs: since });
    await refusalOf(() => admit(incomingRequest({ envelope: { timestampMs: BigInt(since - 1) } }), ports));
    await refusalOf(() => admit(incomingRequest({ envelope: { timestampMs: 1n } }), ports));
    expect(recorded.steps.filter((step) => step === "spend failures")).toHaveLength(1);
  });

  test("is refused after the signature check and before the replay check", async () => {
    const { ports } = createPorts({ replayCoverageStartMs: since, replay: { reserve: () => false } });
    const early = { envelope: { timestampMs: BigInt(since - 1) } };
    expect((await refusalOf(() => admit(incomingRequest(early), ports))).reason).toBe("TIMESTAMP_OUT_OF_WINDOW");
    const forged = incomingRequest({
      ...early,
      tamper: (message) => {
        message.signature = new Uint8Array(64);
      },
    });
    expect((await refusalOf(() => admit(forged, ports))).reason).toBe("SIGNATURE_INVALID");
  });

  test("is REPLAY_STORE_UNAVAILABLE if the gateway's clock was set back to before its start", async () => {
    const { ports } = createPorts({ replayCoverageStartMs: NOW + 10 });
    expect((await refusalOf(() => admit(incomingRequest(), ports))).reason).toBe("REPLAY_STORE_UNAVAILABLE");
  });
});

describe("shadow mode", () => {
  test("of the failure budget refuses no request and reports those it would refuse", async () => {
    const shadowed: string[] = [];
    const { ports, from, recorded, answerAll } = createPipeline({ onShadowRefusal: (scope) => void shadowed.push(scope) });
    Object.assign(ports.budgets, { failures: { ratePerSecond: RATE, burst: BURST, shadow: true }, ip: { ...ROOMY, burst: 1 } });
    expect(tally(await answerAll(Array.from({ length: 100 }, (_, n) => from(`guess-${n}`))))).toEqual({
      SESSION_NOT_FOUND: 100,
    });
    expect(recorded).toHaveLength(100);
    expect(shadowed.length).toBeGreaterThanOrEqual(100 - BURST - 1);
  });

  test("of the failure budget lets no request wait", async () => {
    const { ports, from, recorded, answerAll } = createPipeline();
    Object.assign(ports.budgets, { failures: { ratePerSecond: RATE, burst: 1, shadow: true } });
    const outcomes = Array.from({ length: 10 }, (_, n) => from(`good-${n}`));
    await until(() => recorded.length === 10, "all look-ups to be pending");
    expect(tally(await answerAll(outcomes))).toEqual({ ok: 10 });
  });

  test("of one budget admits and reports what it would refuse, and keeps the other budgets in force", async () => {
    const shadowed: string[] = [];
    const user = { ratePerSecond: 0.001, burst: 1, shadow: true };
    const budgets = { ip: { ratePerSecond: 0.001, burst: 3 }, session: ROOMY, user, failures: ROOMY };
    const { from, answerAll } = createPipeline({ budgets, onShadowRefusal: (scope) => void shadowed.push(scope) });
    const outcomes: string[] = [];
    for (let n = 0; n < 5; n++) outcomes.push(...(await answerAll([from("good")])));
    expect(outcomes).toEqual(["ok", "ok", "ok", "RATE_LIMITED ip", "RATE_LIMITED ip"]);
    expect(shadowed).toEqual(["user", "user"]);
  });
});

test("a failed look-up of an unverified session is charged as a failure", async () => {
  const { ports } = createPipeline({ sessions: { find: () => Promise.reject(refuse("SESSION_LOOKUP_UNAVAILABLE")) } });
  const outcomes = Array.from({ length: 100 }, () => admit(incomingRequest(), ports).catch(({ reason }) => String(reason)));
  expect(tally((await Promise.all(outcomes)).map(String))).toEqual({
    SESSION_LOOKUP_UNAVAILABLE: BURST,
    RATE_LIMITED: 100 - BURST,
  });
});

test("an id that breaks its grammar is not looked up among the verified sessions: hashing all of it may take milliseconds", async () => {
  const asked: string[] = [];
  const has = (_: string, deviceSessionId: string) => asked.push(deviceSessionId) > 0;
  const { from } = createPipeline({ verifiedPeers: { has, hasAny: () => false, remember: () => {} } });
  for (const id of ["x".repeat(500_000), "x".repeat(129), "😀", ""]) expect(await from(id)).toBe("MALFORMED_ENVELOPE");
  expect(asked).toEqual([]);
});
