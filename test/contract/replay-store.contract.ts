import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ReplayStore } from "../../src/core/ports.ts";

/** A store under test, empty, with its time. */
export interface ReplayStoreHarness {
  readonly store: ReplayStore;
  /** The store's own time, Unix milliseconds. */
  nowMs(): number;
  /** Comes back when the store's time has moved on by this much: at once where the test owns the clock, else after waiting. */
  advance(ms: number): void | Promise<void>;
  /** Sets the clock anew, by this much, ahead or back; where the test owns it. */
  step?(ms: number): void | Promise<void>;
  close(): void | Promise<void>;
}

export interface ReplayStoreFactory {
  readonly name: string;
  /** Whether `advance` costs no time, and the clock can be set. Else properties are tried over short times. */
  readonly ownsClock: boolean;
  /** Cases that each property is tried with where the test owns the clock; 100 unless the store is far away. */
  readonly propertyRuns?: number;
  /** A reservation may live this much longer than it was to; there, 0 by default. */
  readonly graceMs?: number;
  open(): ReplayStoreHarness | Promise<ReplayStoreHarness>;
}

/** Some time that is soon over, and a store on a real clock still keeps apart from now. */
const SOON_MS = 200;
const SESSION = "session-1";
const REQUEST = "request-1";

export function replayStoreContract(factory: ReplayStoreFactory): void {
  const run = (body: (harness: ReplayStoreHarness) => Promise<void>) => async () => {
    const harness = await factory.open();
    try {
      await body(harness);
    } finally {
      await harness.close();
    }
  };

  describe(`ReplayStore: ${factory.name}`, () => {
    test(
      "a request is let in once, and not a second time",
      run(async ({ store, nowMs }) => {
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(true);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(false);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 90_000)).toBe(false);
      }),
    );

    test(
      "of many copies that arrive together exactly one is let in",
      run(async ({ store, nowMs }) => {
        const expiresAtMs = nowMs() + 60_000;
        const copies = Array.from({ length: 64 }, async () => store.reserve(SESSION, REQUEST, expiresAtMs));
        expect((await Promise.all(copies)).filter(Boolean)).toHaveLength(1);
      }),
    );

    test(
      "neither another session nor another request of the session is taken for a replay",
      run(async ({ store, nowMs }) => {
        const expiresAtMs = nowMs() + 60_000;
        await store.reserve(SESSION, REQUEST, expiresAtMs);
        expect(await store.reserve("session-2", REQUEST, expiresAtMs)).toBe(true);
        expect(await store.reserve(SESSION, "request-2", expiresAtMs)).toBe(true);
      }),
    );

    test(
      "where a session id ends and a request id begins is part of the key",
      run(async ({ store, nowMs }) => {
        const expiresAtMs = nowMs() + 60_000;
        for (const [session, request] of [
          ["a", "bcccccccc"],
          ["ab", "cccccccc"],
          ["a~b", "cccccccc"],
          ["a", "b~cccccccc"],
        ] as const) {
          expect(await store.reserve(session, request, expiresAtMs)).toBe(true);
        }
      }),
    );

    test(
      "ids of the greatest length are told apart by their last character",
      run(async ({ store, nowMs }) => {
        const expiresAtMs = nowMs() + 60_000;
        const session = "s".repeat(128);
        expect(await store.reserve(session, `${"r".repeat(127)}1`, expiresAtMs)).toBe(true);
        expect(await store.reserve(session, `${"r".repeat(127)}2`, expiresAtMs)).toBe(true);
        expect(await store.reserve(session, `${"r".repeat(127)}1`, expiresAtMs)).toBe(false);
      }),
    );

    test(
      "a replay is refused for as long as the reservation was to last, and the id is free afterwards",
      run(async ({ store, nowMs, advance }) => {
        await store.reserve(SESSION, REQUEST, nowMs() + SOON_MS);
        await advance(SOON_MS / 2);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(false);
        await advance(SOON_MS);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(true);
      }),
    );

    test(
      "a replay that names an earlier expiry does not end the reservation sooner",
      run(async ({ store, nowMs, advance }) => {
        await store.reserve(SESSION, REQUEST, nowMs() + 60_000);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + SOON_MS)).toBe(false);
        await advance(SOON_MS * 2);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(false);
      }),
    );

    test("at no time is a request let in twice while it is reserved, nor refused when it is not", async () => {
      const pace = factory.ownsClock ? SIMULATED : REAL;
      const steps = fc.array(arbitraryStep(pace), { maxLength: pace.stepsMax, size: "max" });
      await fc.assert(
        fc.asyncProperty(steps, (chosen) => behavesLikeAMap(factory, chosen, factory.graceMs ?? pace.grainMs)),
        { numRuns: factory.propertyRuns ?? pace.runs },
      );
    });

    if (!factory.ownsClock) return;
    test("however its clock is set to and fro, a request that is still reserved is not let in again", async () => {
      const steps = fc.array(arbitraryMove, { maxLength: 100, size: "max" });
      await fc.assert(
        fc.asyncProperty(steps, (chosen) => neverTwice(factory, chosen)),
        { numRuns: factory.propertyRuns ?? SIMULATED.runs },
      );
    });
  });
}

interface Step {
  readonly request: number;
  readonly ttlMs: number;
  readonly advanceMs: number;
}

/** Time passes, or the clock is set anew; then a request is made. */
interface Move {
  readonly request: number;
  readonly ttlMs: number;
  readonly advanceMs: number;
  readonly stepMs: number;
}

const arbitraryMove: fc.Arbitrary<Move> = fc.record({
  request: fc.integer({ min: 0, max: 4 }),
  ttlMs: fc.integer({ min: 1, max: 1000 }),
  advanceMs: fc.integer({ min: 0, max: 200 }),
  stepMs: fc.oneof(fc.constant(0), fc.integer({ min: -1500, max: 1500 })),
});

/** It may refuse what it cannot vouch for; but of what it has let in, nothing comes in again before it expires. */
async function neverTwice(factory: ReplayStoreFactory, moves: readonly Move[]): Promise<void> {
  const harness = await factory.open();
  const { store, nowMs, advance, step } = harness;
  const reservedUntilMs = new Map<number, number>();
  try {
    for (const { request, ttlMs, advanceMs, stepMs } of moves) {
      await advance(advanceMs);
      if (stepMs !== 0) await step?.(stepMs);
      // A replay is the request as it was signed, and so would be reserved until the same time.
      const reservedMs = reservedUntilMs.get(request) ?? 0;
      const isReplay = reservedMs > nowMs();
      const expiresAtMs = isReplay ? reservedMs : nowMs() + ttlMs;
      const isLetIn = await Promise.resolve()
        .then(() => store.reserve(SESSION, `request-${request}`, expiresAtMs))
        .catch(({ reason }) => expect(reason).toBe("REPLAY_STORE_UNAVAILABLE"));
      if (isReplay) expect(isLetIn).not.toBe(true);
      if (isLetIn === true) reservedUntilMs.set(request, Math.max(expiresAtMs, reservedMs));
    }
    // It heals: when all that was ever reserved is over, everybody is let in.
    const latestMs = Math.max(nowMs(), ...reservedUntilMs.values());
    await advance(latestMs - nowMs() + 5000);
    expect(await store.reserve(SESSION, "request-last", nowMs() + 1000)).toBe(true);
  } finally {
    await harness.close();
  }
}

/** How the property is tried: over long times where they cost nothing, else over short ones. */
interface Pace {
  readonly runs: number;
  readonly stepsMax: number;
  readonly requests: number;
  readonly ttlMs: { readonly min: number; readonly max: number };
  readonly advanceMsMax: number;
  /** So near to its end a reservation may count as live or as over. */
  readonly grainMs: number;
}

const SIMULATED: Pace = {
  ...{ runs: 100, stepsMax: 200, requests: 30 },
  ...{ ttlMs: { min: 1, max: 1000 }, advanceMsMax: 300, grainMs: 0 },
};
const REAL: Pace = { runs: 8, stepsMax: 60, requests: 6, ttlMs: { min: 20, max: 60 }, advanceMsMax: 12, grainMs: 2 };

function arbitraryStep({ requests, ttlMs, advanceMsMax }: Pace): fc.Arbitrary<Step> {
  return fc.record({
    request: fc.integer({ min: 0, max: requests }),
    ttlMs: fc.integer(ttlMs),
    advanceMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: advanceMsMax })),
  });
}

async function behavesLikeAMap(factory: ReplayStoreFactory, steps: readonly Step[], grainMs: number): Promise<void> {
  const harness = await factory.open();
  const expiries = new Map<number, number>();
  try {
    for (const { request, ttlMs, advanceMs } of steps) {
      if (advanceMs > 0) await harness.advance(advanceMs);
      const beforeMs = harness.nowMs();
      const reservedUntilMs = expiries.get(request) ?? 0;
      const isFirst = await reserve(harness, `request-${request}`, beforeMs + ttlMs);
      if (reservedUntilMs > harness.nowMs() + grainMs) expect(isFirst).toBe(false);
      if (reservedUntilMs <= beforeMs - grainMs) expect(isFirst).not.toBe(false);
      if (isFirst) expiries.set(request, beforeMs + ttlMs);
    }
  } finally {
    await harness.close();
  }
}

/** What the store said; `undefined` where it refused because the reservation was over before it was made, the machine being slow. */
async function reserve({ store, nowMs }: ReplayStoreHarness, requestId: string, expiresAtMs: number) {
  try {
    return await store.reserve(SESSION, requestId, expiresAtMs);
  } catch (error) {
    expect(nowMs()).toBeGreaterThanOrEqual(expiresAtMs);
    expect(error).toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
    return undefined;
  }
}
