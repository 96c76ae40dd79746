import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ReplayStore } from "../../src/core/admission.ts";

/** An empty store under test, and its clock. */
export interface ReplayStoreHarness {
  readonly store: ReplayStore;
  /** The store's own time, Unix milliseconds. */
  nowMs(): number;
  /** Resolves when the store's time has advanced by this much: immediately if the test owns the clock, else after waiting. */
  advance(ms: number): void | Promise<void>;
  /** Sets the wall clock forward or back, if the test owns it. */
  step?(ms: number): void | Promise<void>;
  close(): void | Promise<void>;
}

export interface ReplayStoreFactory {
  readonly name: string;
  /** Whether the test sets the clock. If not, property tests use short real times. */
  readonly ownsClock: boolean;
  /** Runs of each property test; 100 by default, fewer for a slow store. */
  readonly propertyRuns?: number;
  /** How much longer than its expiry a reservation may last; 0 by default if the test owns the clock. */
  readonly graceMs?: number;
  open(): ReplayStoreHarness | Promise<ReplayStoreHarness>;
}

/** Short, but longer than the granularity of a store on a real clock. */
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
      "a request is accepted once",
      run(async ({ store, nowMs }) => {
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(true);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(false);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 90_000)).toBe(false);
      }),
    );

    test(
      "of concurrent copies of a request, exactly one is accepted",
      run(async ({ store, nowMs }) => {
        const expiresAtMs = nowMs() + 60_000;
        const copies = Array.from({ length: 64 }, async () => store.reserve(SESSION, REQUEST, expiresAtMs));
        expect((await Promise.all(copies)).filter(Boolean)).toHaveLength(1);
      }),
    );

    test(
      "another session, and another request of the session, are not replays",
      run(async ({ store, nowMs }) => {
        const expiresAtMs = nowMs() + 60_000;
        await store.reserve(SESSION, REQUEST, expiresAtMs);
        expect(await store.reserve("session-2", REQUEST, expiresAtMs)).toBe(true);
        expect(await store.reserve(SESSION, "request-2", expiresAtMs)).toBe(true);
      }),
    );

    test(
      "the boundary between session id and request id is part of the key",
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
      "ids of maximum length that differ in the last character are distinct",
      run(async ({ store, nowMs }) => {
        const expiresAtMs = nowMs() + 60_000;
        const session = "s".repeat(128);
        expect(await store.reserve(session, `${"r".repeat(127)}1`, expiresAtMs)).toBe(true);
        expect(await store.reserve(session, `${"r".repeat(127)}2`, expiresAtMs)).toBe(true);
        expect(await store.reserve(session, `${"r".repeat(127)}1`, expiresAtMs)).toBe(false);
      }),
    );

    test(
      "a replay is refused until the reservation expires, and then the id is free",
      run(async ({ store, nowMs, advance }) => {
        await store.reserve(SESSION, REQUEST, nowMs() + SOON_MS);
        await advance(SOON_MS / 2);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(false);
        await advance(SOON_MS);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(true);
      }),
    );

    test(
      "a replay with an earlier expiry does not shorten the reservation",
      run(async ({ store, nowMs, advance }) => {
        await store.reserve(SESSION, REQUEST, nowMs() + 60_000);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + SOON_MS)).toBe(false);
        await advance(SOON_MS * 2);
        expect(await store.reserve(SESSION, REQUEST, nowMs() + 60_000)).toBe(false);
      }),
    );

    test("in any order of steps, the store behaves like a map with expiry (property test)", async () => {
      const pace = factory.ownsClock ? SIMULATED : REAL;
      const steps = fc.array(arbitraryStep(pace), { maxLength: pace.stepsMax, size: "max" });
      await fc.assert(
        fc.asyncProperty(steps, (chosen) => behavesLikeAMap(factory, chosen, factory.graceMs ?? pace.grainMs)),
        { numRuns: factory.propertyRuns ?? pace.runs },
      );
    });

    if (!factory.ownsClock) return;
    test("however the clock is set, a request that is still reserved is not accepted again (property test)", async () => {
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

/** Time passes, the clock may be set, then a request is made. */
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

/** The store may refuse any request, but never accepts one twice before its reservation expires. */
async function neverTwice(factory: ReplayStoreFactory, moves: readonly Move[]): Promise<void> {
  const harness = await factory.open();
  const { store, nowMs, advance, step } = harness;
  const reservedUntilMs = new Map<number, number>();
  try {
    for (const { request, ttlMs, advanceMs, stepMs } of moves) {
      await advance(advanceMs);
      if (stepMs !== 0) await step?.(stepMs);
      // A replay carries the same timestamp, so its reservation has the same expiry.
      const reservedMs = reservedUntilMs.get(request) ?? 0;
      const isReplay = reservedMs > nowMs();
      const expiresAtMs = isReplay ? reservedMs : nowMs() + ttlMs;
      const isAccepted = await Promise.resolve()
        .then(() => store.reserve(SESSION, `request-${request}`, expiresAtMs))
        .catch(({ reason }) => expect(reason).toBe("REPLAY_STORE_UNAVAILABLE"));
      if (isReplay) expect(isAccepted).not.toBe(true);
      if (isAccepted === true) reservedUntilMs.set(request, Math.max(expiresAtMs, reservedMs));
    }
    // Recovery: after the latest expiry, every request is accepted.
    const latestMs = Math.max(nowMs(), ...reservedUntilMs.values());
    await advance(latestMs - nowMs() + 5000);
    expect(await store.reserve(SESSION, "request-last", nowMs() + 1000)).toBe(true);
  } finally {
    await harness.close();
  }
}

/** Sizes of the property test: long times on a simulated clock, short ones on a real clock. */
interface Sizes {
  readonly runs: number;
  readonly stepsMax: number;
  readonly requests: number;
  readonly ttlMs: { readonly min: number; readonly max: number };
  readonly advanceMsMax: number;
  /** This close to its expiry, a reservation may count as live or as expired. */
  readonly grainMs: number;
}

const SIMULATED: Sizes = {
  ...{ runs: 100, stepsMax: 200, requests: 30 },
  ...{ ttlMs: { min: 1, max: 1000 }, advanceMsMax: 300, grainMs: 0 },
};
const REAL: Sizes = { runs: 8, stepsMax: 60, requests: 6, ttlMs: { min: 20, max: 60 }, advanceMsMax: 12, grainMs: 2 };

function arbitraryStep({ requests, ttlMs, advanceMsMax }: Sizes): fc.Arbitrary<Step> {
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

/** The store's result; `undefined` if it refused because, on a slow machine, the expiry had passed already. */
async function reserve({ store, nowMs }: ReplayStoreHarness, requestId: string, expiresAtMs: number) {
  try {
    return await store.reserve(SESSION, requestId, expiresAtMs);
  } catch (error) {
    expect(nowMs()).toBeGreaterThanOrEqual(expiresAtMs);
    expect(error).toMatchObject({ reason: "REPLAY_STORE_UNAVAILABLE" });
    return undefined;
  }
}
