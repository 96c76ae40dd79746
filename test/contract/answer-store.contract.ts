import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { AnswerAge, AnswerBounds, AnswerClaim, AnswerStore, ClaimOutcome, KeyedRequest } from "../../src/core/answers.ts";
import type { BackendReply } from "../../src/core/backend.ts";
import { ANSWER_OVERHEAD_BYTES, ANSWER_SHARES } from "../../src/core/limits.ts";
import { AnswerModel } from "./answer-model.ts";

/** An empty store under test, as two gateways see it, and its clock. */
export interface AnswerStoreHarness {
  /** The store at each of two gateways; twice the same store if it is not shared. */
  readonly gateways: readonly [AnswerStore, AnswerStore];
  nowMs(): number;
  /** Resolves when the store's time has advanced by this much. */
  advance(ms: number): void | Promise<void>;
  /** The number of answers that were evicted. */
  evicted(): number;
  close(): void | Promise<void>;
}

export interface AnswerStoreFactory {
  readonly name: string;
  /** Runs of the property test. */
  readonly propertyRuns: number;
  open(bounds: AnswerBounds): AnswerStoreHarness | Promise<AnswerStoreHarness>;
}

const KiB = 1024;
const MiB = 1024 * KiB;
const ROOMY: AnswerBounds = { entriesMax: 10_000, bytesMax: 64 * MiB };
const NEVER = new AbortController().signal;
const LEASE_MS = 60_000;
/** A short time, but longer than the granularity of a store on a real clock. */
const SOON_MS = 200;

export function reply(text: string, resultCode = "ok"): BackendReply {
  return { resultCode, payloadBytes: new TextEncoder().encode(text) };
}

/** Waits for the outcome of a claim, and fails unless it is the right to execute the command. */
async function first(outcome: ClaimOutcome | Promise<ClaimOutcome>): Promise<AnswerClaim> {
  const settled = await outcome;
  return settled.kind === "first" ? settled.claim : expect.unreachable(`the claim is ${settled.kind}`);
}

function textOf(outcome: ClaimOutcome): string {
  return outcome.kind === "kept" ? `${outcome.reply.resultCode} ${Buffer.from(outcome.reply.payloadBytes)}` : outcome.kind;
}

export function answerStoreContract(factory: AnswerStoreFactory): void {
  const run = (body: (harness: Opened) => Promise<void>, bounds = ROOMY) => {
    return async () => {
      const harness = await factory.open(bounds);
      try {
        await body(new Opened(harness));
      } finally {
        await harness.close();
      }
    };
  };

  describe(`AnswerStore: ${factory.name}`, () => {
    test(
      "a command is claimed once, and its answer is given unchanged at every gateway",
      run(async (store) => {
        expect(await (await first(store.claim())).keep(reply('{"n":1}', "created"), store.age())).toBe(true);
        for (const gateway of [0, 1] as const) {
          expect(await store.claim({}, { gateway })).toEqual({
            kind: "kept",
            reply: reply('{"n":1}', "created"),
            waited: false,
          });
        }
      }),
    );

    test.each([
      ["empty", new Uint8Array(0)],
      ["every byte", Uint8Array.from({ length: 256 }, (_, byte) => byte)],
      ["not ASCII", new TextEncoder().encode('{"text":"žluťoučký 🐎"}')],
      [
        "1 MiB",
        crypto
          .getRandomValues(new Uint8Array(64 * KiB))
          .toBase64()
          .repeat(12),
      ],
      ["part of a larger buffer", new Uint8Array(100).fill(7).subarray(10, 20)],
    ])("an answer keeps its bytes: %s", (_, bytes) =>
      run(async (store) => {
        const payloadBytes = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
        expect(await (await first(store.claim())).keep({ resultCode: "ok", payloadBytes }, store.age())).toBe(true);
        const outcome = await store.claim({}, { gateway: 1 });
        if (outcome.kind !== "kept") return expect.unreachable(outcome.kind);
        expect(Buffer.compare(outcome.reply.payloadBytes, payloadBytes)).toBe(0);
      })(),
    );

    test(
      "another session, another key, and another boundary between both, are other commands",
      run(async (store) => {
        const named = (deviceSessionId: string, idempotencyKey: string) => store.claim({ deviceSessionId, idempotencyKey });
        await (await first(named("a", "bcccccccc"))).keep(reply("1"), store.age());
        const long = "s".repeat(128);
        for (const [session, key] of [
          ["ab", "cccccccc"],
          ["a", "bccccccc"],
          ["b", "bcccccccc"],
          ["a:", "bcccccccc"],
          [long, `${"k".repeat(127)}1`],
          [long, `${"k".repeat(127)}2`],
        ] as const) {
          await (await first(named(session, key))).keep(reply(`${session} ${key}`), store.age());
          expect(textOf(await named(session, key))).toBe(`ok ${session} ${key}`);
        }
      }),
    );

    test(
      "a key with another fingerprint is reused while the first is in flight and when it is kept, at every gateway; afterwards it is free",
      run(async (store) => {
        const claim = await first(store.claim());
        const other = (gateway: 0 | 1) => store.claim({ fingerprint: "other" }, { gateway });
        for (const gateway of [0, 1] as const) expect(await other(gateway)).toEqual({ kind: "reused" });
        await claim.keep(reply("1"), store.age());
        for (const gateway of [0, 1] as const) expect(await other(gateway)).toEqual({ kind: "reused" });
        const released = await first(store.claim({ idempotencyKey: "released" }));
        await released.release();
        await first(store.claim({ idempotencyKey: "released", fingerprint: "other" }));
      }),
    );

    test(
      "of 50 concurrent copies at two gateways, one executes and the others wait for its answer",
      run(async (store) => {
        const copies = Array.from({ length: 50 }, async (_, at) => store.claim({}, { gateway: at % 2 === 0 ? 0 : 1 }));
        const claim = await first(Promise.any(copies.map(onlyFirst)));
        await claim.keep(reply("the answer"), store.age());
        const outcomes = await Promise.all(copies);
        expect(outcomes.filter(({ kind }) => kind === "first")).toHaveLength(1);
        const others = outcomes.filter(({ kind }) => kind !== "first");
        expect(new Set(others.map(textOf))).toEqual(new Set(["ok the answer"]));
      }),
    );

    test(
      "when the first ends without an answer, exactly one of those who wait executes, again and again",
      run(async (store) => {
        const copies = Array.from({ length: 12 }, async (_, at) => store.claim({}, { gateway: at % 2 === 0 ? 0 : 1 }));
        let running = 0;
        let executed = 0;
        const outcomes = copies.map(async (copy) => {
          const outcome = await copy;
          if (outcome.kind !== "first") return textOf(outcome);
          expect(++running).toBe(1);
          executed++;
          await Bun.sleep(1);
          running--;
          if (executed < 4) await outcome.claim.release();
          else await outcome.claim.keep(reply("4"), store.age());
          return `first ${executed}`;
        });
        const texts = await Promise.all(outcomes);
        expect(texts.filter((text) => text.startsWith("first"))).toHaveLength(4);
        expect(texts.filter((text) => text === "ok 4")).toHaveLength(8);
      }),
    );

    test(
      "a claim that follows a wait says that it waited",
      run(async (store) => {
        const claim = await first(store.claim());
        const waiting = [store.claim(), store.claim({}, { gateway: 1 })];
        // The store answers in order, so the others wait when this claim is made.
        await first(store.claim({ idempotencyKey: "another" }, { gateway: 1 }));
        await claim.release();
        const winner = await Promise.any(waiting.map(onlyFirst));
        expect(winner).toMatchObject({ kind: "first", waited: true });
        if (winner.kind === "first") await winner.claim.keep(reply("1"), store.age());
        expect((await Promise.all(waiting)).map((each) => each.kind).toSorted()).toEqual(["first", "kept"]);
      }),
    );

    test(
      "a wait ends when its signal aborts, and such a request takes no claim",
      run(async (store) => {
        const claim = await first(store.claim());
        for (const gateway of [0, 1] as const) {
          const gone = new AbortController();
          const waiting = store.claim({}, { gateway, signal: gone.signal });
          gone.abort();
          expect(await waiting).toEqual({ kind: "in_flight" });
        }
        await claim.release();
        await first(store.claim({}, { gateway: 1 }));
      }),
    );

    test(
      "a wait whose signal aborts while the claim ends leaves the command to others",
      run(async (store) => {
        for (let turn = 0; turn < 20; turn++) {
          const idempotencyKey = `turn-${turn}`;
          const claim = await first(store.claim({ idempotencyKey }));
          const gone = new AbortController();
          const waiting = store.claim({ idempotencyKey }, { gateway: turn % 2 === 0 ? 0 : 1, signal: gone.signal });
          const released = claim.release();
          gone.abort();
          await released;
          const outcome = await waiting;
          if (outcome.kind === "first") await outcome.claim.release();
          await (await first(store.claim({ idempotencyKey }))).release();
        }
      }),
    );

    test(
      "a wait ends soon after the time of a lease",
      run(async (store) => {
        await first(store.claim());
        for (const gateway of [0, 1] as const) {
          expect(await store.claim({}, { gateway, leaseMs: 30 })).toEqual({ kind: "in_flight" });
        }
      }),
    );

    test(
      "a claim whose gateway was killed ends with its lease, and is then claimed by one request",
      run(async (store) => {
        await first(store.claim({}, { leaseMs: SOON_MS }));
        await store.advance(SOON_MS + 10);
        const outcomes = [store.claim({}, { gateway: 1 }), store.claim({}, { gateway: 1 })];
        const claim = await first(Promise.any(outcomes.map(async (each) => onlyFirst(each))));
        await claim.keep(reply("second"), store.age());
        expect((await Promise.all(outcomes)).map((each) => each.kind).toSorted()).toEqual(["first", "kept"]);
      }),
    );

    test(
      "a late holder whose lease ended replaces neither the claim nor the answer of another",
      run(async (store) => {
        const late = await first(store.claim({}, { leaseMs: SOON_MS }));
        await store.advance(SOON_MS + 10);
        const next = await first(store.claim({}, { gateway: 1 }));
        expect(await late.keep(reply("late"), store.age())).toBe(false);
        expect(await store.claim({ fingerprint: "other" }, { gateway: 1 })).toEqual({ kind: "reused" });
        expect(await next.keep(reply("next"), store.age())).toBe(true);
        for (const gateway of [0, 1] as const) expect(textOf(await store.claim({}, { gateway }))).toBe("ok next");
      }),
    );

    test(
      "a late holder that gives up, or comes after the answer of another, changes nothing",
      run(async (store) => {
        const lates = [await first(store.claim({}, { leaseMs: SOON_MS }))];
        await store.advance(SOON_MS + 10);
        const next = await first(store.claim({}, { gateway: 1 }));
        await lates[0]?.release();
        expect(await store.claim({ fingerprint: "other" }, { gateway: 1 })).toEqual({ kind: "reused" });
        await next.keep(reply("next"), store.age());
        expect(await lates[0]?.keep(reply("late"), store.age())).toBe(false);
        expect(textOf(await store.claim({}, { gateway: 1 }))).toBe("ok next");
      }),
    );

    test(
      "a late holder keeps its answer if nobody else has claimed the command",
      run(async (store) => {
        const late = await first(store.claim({}, { leaseMs: SOON_MS }));
        await store.advance(SOON_MS + 10);
        expect(await late.keep(reply("late"), store.age())).toBe(true);
        expect(textOf(await store.claim({}, { gateway: 1 }))).toBe("ok late");
      }),
    );

    test(
      "an answer is given to requests of its time, however late they arrive, and not to later requests",
      run(async (store) => {
        const keptUntilMs = store.nowMs() + SOON_MS;
        const age = { keptForMs: SOON_MS, keptUntilMs, storedUntilMs: keptUntilMs + 60_000 };
        await (await first(store.claim())).keep(reply("1"), age);
        await store.advance(2 * SOON_MS);
        expect(textOf(await store.claim({ asOfMs: keptUntilMs }))).toBe("ok 1");
        expect(await store.claim({ asOfMs: keptUntilMs, fingerprint: "other" })).toEqual({ kind: "reused" });
        const later = await first(store.claim({ asOfMs: keptUntilMs + 1, fingerprint: "other" }));
        expect(await store.claim({ asOfMs: keptUntilMs })).toEqual({ kind: "reused" });
        await later.keep(reply("2"), store.age());
        expect(textOf(await store.claim({ fingerprint: "other" }))).toBe("ok 2");
      }),
    );

    test(
      "an answer is gone at the end of its storage",
      run(async (store) => {
        const storedUntilMs = store.nowMs() + SOON_MS;
        const age = { keptForMs: 1, keptUntilMs: storedUntilMs, storedUntilMs };
        await (await first(store.claim())).keep(reply("1"), age);
        await store.advance(SOON_MS + 20);
        await first(store.claim());
      }),
    );

    test(
      "a full store evicts the oldest answers, and no claim",
      run(
        async (store) => {
          const inFlight = await first(store.claim({ deviceSessionId: "in-flight" }));
          const sessions = Array.from({ length: 40 }, (_, at) => `session-${at}`);
          for (const deviceSessionId of sessions) await store.keep({ deviceSessionId }, deviceSessionId);
          expect(await store.keptOf(sessions.map((deviceSessionId) => ({ deviceSessionId })))).toEqual(sessions.slice(-32));
          expect(store.evicted()).toBe(8);
          expect(await store.claim({ deviceSessionId: "in-flight", fingerprint: "other" })).toEqual({ kind: "reused" });
          expect(await inFlight.keep(reply("1"), store.age())).toBe(true);
        },
        { entriesMax: 32, bytesMax: 64 * MiB },
      ),
    );

    test(
      "a session that floods the store evicts its own answers only",
      run(
        async (store) => {
          const others = Array.from({ length: 30 }, (_, at) => ({ deviceSessionId: `other-${at}` }));
          for (const [at, other] of others.entries()) await store.keep(other, `other-${at}`);
          const flood = Array.from({ length: 60 }, (_, at) => ({ deviceSessionId: "flood", idempotencyKey: `key-${at}` }));
          for (const [at, each] of flood.entries()) await store.keep(each, `flood-${at}`);
          expect(await store.keptOf(others)).toHaveLength(30);
          expect(await store.keptOf(flood)).toEqual(["flood-58", "flood-59"]);
        },
        { entriesMax: 2 * ANSWER_SHARES, bytesMax: 64 * MiB },
      ),
    );

    test(
      "the size of the answers is bounded, for all and for each session",
      run(
        async (store) => {
          const half = "x".repeat(2 * KiB - ANSWER_OVERHEAD_BYTES);
          const own = [0, 1, 2].map((at) => ({ deviceSessionId: "one", idempotencyKey: `key-${at}` }));
          for (const [at, each] of own.entries()) await store.keep(each, `${at}${half.slice(1)}`);
          expect((await store.keptOf(own)).map((text) => text[0])).toEqual(["1", "2"]);
          const sessions = Array.from({ length: 32 }, (_, at) => ({ deviceSessionId: `session-${at}` }));
          for (const each of sessions) await store.keep(each, half);
          expect(await store.keptOf([...own, ...sessions])).toHaveLength(32);
        },
        { entriesMax: 10_000, bytesMax: 4 * KiB * ANSWER_SHARES },
      ),
    );

    test(
      "an answer that exceeds the share of a session is not kept, evicts nothing, and ends its claim",
      run(
        async (store) => {
          await store.keep({ deviceSessionId: "other" }, "other");
          const claim = await first(store.claim());
          expect(await claim.keep(reply("x".repeat(4 * KiB)), store.age())).toBe(false);
          await first(store.claim({}, { gateway: 1 }));
          expect(textOf(await store.claim({ deviceSessionId: "other" }))).toBe("ok other");
        },
        { entriesMax: 10_000, bytesMax: 4 * KiB * ANSWER_SHARES },
      ),
    );

    test("in any order of steps, the store behaves like a list of answers (property test)", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(arbitraryStep, { maxLength: 60, size: "max" }), async (steps) => {
          const bounds = { entriesMax: 2 * ANSWER_SHARES, bytesMax: 4 * KiB * ANSWER_SHARES };
          await run((store) => behavesLikeTheModel(store, new AnswerModel(bounds), steps), bounds)();
        }),
        { numRuns: factory.propertyRuns },
      );
    });
  });
}

async function onlyFirst(outcome: ClaimOutcome | Promise<ClaimOutcome>): Promise<ClaimOutcome> {
  const settled = await outcome;
  if (settled.kind !== "first") throw new Error(settled.kind);
  return settled;
}

/** A harness with short ways to claim and keep. */
class Opened {
  readonly #harness: AnswerStoreHarness;

  constructor(harness: AnswerStoreHarness) {
    this.#harness = harness;
  }

  nowMs(): number {
    return this.#harness.nowMs();
  }

  advance(ms: number): void | Promise<void> {
    return this.#harness.advance(ms);
  }

  evicted(): number {
    return this.#harness.evicted();
  }

  age(keptForMs = 60_000): AnswerAge {
    const keptUntilMs = this.nowMs() + keptForMs;
    return { keptForMs, keptUntilMs, storedUntilMs: keptUntilMs + 60_000 };
  }

  async claim(
    request: Partial<KeyedRequest> = {},
    { gateway = 0, leaseMs = LEASE_MS, signal = NEVER }: { gateway?: 0 | 1; leaseMs?: number; signal?: AbortSignal } = {},
  ): Promise<ClaimOutcome> {
    const usual = { deviceSessionId: "session-1", idempotencyKey: "key-12345", fingerprint: "print", asOfMs: this.nowMs() };
    return this.#harness.gateways[gateway].claim({ ...usual, ...request }, leaseMs, signal);
  }

  /** Executes a command and keeps its answer. */
  async keep(request: Partial<KeyedRequest>, text: string): Promise<void> {
    const claim = await first(this.claim(request));
    expect(await claim.keep(reply(text), this.age())).toBe(true);
  }

  /** The texts of the kept answers to these requests. */
  async keptOf(requests: readonly Partial<KeyedRequest>[]): Promise<string[]> {
    const texts: string[] = [];
    for (const request of requests) {
      const outcome = await this.claim(request);
      if (outcome.kind === "first") await outcome.claim.release();
      else texts.push(textOf(outcome).slice("ok ".length));
    }
    return texts;
  }
}

/** One request: it asks, and executes the command if it is the first. */
export interface Step {
  readonly session: number;
  readonly key: number;
  readonly fingerprint: string;
  readonly gateway: 0 | 1;
  readonly ends: "keep" | "release";
  readonly bytes: number;
  readonly keptForMs: number;
  readonly advanceMs: number;
}

const arbitraryStep: fc.Arbitrary<Step> = fc.record({
  session: fc.integer({ min: 0, max: 20 }),
  key: fc.integer({ min: 0, max: 3 }),
  fingerprint: fc.constantFrom("print", "print", "print", "other"),
  gateway: fc.constantFrom(0 as const, 1 as const),
  ends: fc.constantFrom("keep" as const, "keep" as const, "release" as const),
  bytes: fc.constantFrom(0, 10, 900, 2500),
  keptForMs: fc.constantFrom(100_000, 200_000),
  advanceMs: fc.constant(1),
});

async function behavesLikeTheModel(store: Opened, model: AnswerModel, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    await store.advance(step.advanceMs);
    const request = {
      deviceSessionId: `session-${step.session}`,
      idempotencyKey: `key-${step.key}`,
      fingerprint: step.fingerprint,
    };
    const expected = model.outcomeOf(request);
    const outcome = await store.claim(request, { gateway: step.gateway });
    expect(textOf(outcome)).toBe(expected);
    if (outcome.kind !== "first") continue;
    if (step.ends === "release") await outcome.claim.release();
    else {
      const text = "x".repeat(step.bytes);
      const isKept = await outcome.claim.keep(reply(text), store.age(step.keptForMs));
      expect(isKept).toBe(model.keep(request, text));
    }
  }
  expect(store.evicted()).toBe(model.evicted);
}
