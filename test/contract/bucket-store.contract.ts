import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BucketDemand, BucketStore, Budget } from "../../src/core/ports.ts";

/** A store under test, empty. Its time is the caller's, so the suite makes up its own. */
export interface BucketStoreHarness {
  readonly store: BucketStore;
  close(): void | Promise<void>;
}

export interface BucketStoreFactory {
  readonly name: string;
  /** Cases that each property is tried with; few for a store that is far away. */
  readonly propertyRuns: number;
  open(): BucketStoreHarness | Promise<BucketStoreHarness>;
}

const NOW_MS = 1_760_000_000_000;
/** A token every 100 ms. */
const BUDGET: Budget = { ratePerSecond: 10, burst: 3 };
const INTERVAL_MS = 100;

export function bucketStoreContract(factory: BucketStoreFactory): void {
  const run = (body: (store: BucketStore) => Promise<void>) => async () => {
    const harness = await factory.open();
    try {
      await body(harness.store);
    } finally {
      await harness.close();
    }
  };

  describe(`BucketStore: ${factory.name}`, () => {
    test(
      "a newcomer has its whole burst, and then waits for the next token",
      run(async (store) => {
        expect(await takeMany(store, demand("ip"), 3)).toBe(3);
        expect(await store.take([demand("ip")], NOW_MS)).toEqual({ refusedBy: "ip", retryAfterMs: INTERVAL_MS });
        expect(await store.take([demand("ip")], NOW_MS + INTERVAL_MS - 1)).toEqual({ refusedBy: "ip", retryAfterMs: 1 });
        expect(await store.take([demand("ip")], NOW_MS + INTERVAL_MS)).toBe(true);
        expect(await store.take([demand("ip")], NOW_MS + INTERVAL_MS)).not.toBe(true);
      }),
    );

    test(
      "however long a bucket rests, it holds no more than its burst",
      run(async (store) => {
        await takeMany(store, demand("ip"), 3);
        const laterMs = NOW_MS + 3_600_000;
        expect(await takeMany(store, demand("ip"), 10, laterMs)).toBe(3);
      }),
    );

    test(
      "the whole burst is there where the interval is no whole number of milliseconds",
      run(async (store) => {
        for (const ratePerSecond of [3, 7, 1 / 3, 3000, 1 / 60]) {
          const odd = demand("user", `rate-${ratePerSecond}`, { ratePerSecond, burst: 20 });
          expect(await takeMany(store, odd, 30)).toBe(20);
        }
      }),
    );

    test(
      "a budget of less than a token a second is kept",
      run(async (store) => {
        const rare = demand("public_identity", "a@example.com", { ratePerSecond: 1 / 60, burst: 1 });
        expect(await store.take([rare], NOW_MS)).toBe(true);
        expect(await store.take([rare], NOW_MS)).toEqual({ refusedBy: "public_identity", retryAfterMs: 60_000 });
        expect(await store.take([rare], NOW_MS + 60_000)).toBe(true);
      }),
    );

    test(
      "one scope, or one key, does not spend another's tokens",
      run(async (store) => {
        await takeMany(store, demand("user", "x"), 3);
        expect(await store.take([demand("session", "x")], NOW_MS)).toBe(true);
        expect(await store.take([demand("user", "y")], NOW_MS)).toBe(true);
        expect(await store.take([demand("user", "x")], NOW_MS)).not.toBe(true);
      }),
    );

    test(
      "a refused request spends nothing of any budget",
      run(async (store) => {
        await takeMany(store, demand("user"), 3);
        for (let attempt = 0; attempt < 5; attempt++) {
          const all = [demand("ip"), demand("session"), demand("user"), demand("message_type")];
          expect(await store.take(all, NOW_MS)).toEqual({ refusedBy: "user", retryAfterMs: INTERVAL_MS });
        }
        for (const scope of ["ip", "session", "message_type"] as const) expect(await takeMany(store, demand(scope), 5)).toBe(3);
        expect(await store.take([demand("user")], NOW_MS + INTERVAL_MS)).toBe(true);
      }),
    );

    test(
      "a refusal names the first budget that is empty, and the time when all of them have a token",
      run(async (store) => {
        const slow = demand("user", "slow", { ratePerSecond: 1, burst: 1 });
        await store.take([slow], NOW_MS);
        await takeMany(store, demand("session"), 3);
        const all = [demand("ip"), demand("session"), slow];
        expect(await store.take(all, NOW_MS)).toEqual({ refusedBy: "session", retryAfterMs: 1000 });
        expect(await store.take(all, NOW_MS + 999)).toMatchObject({ refusedBy: "user" });
        expect(await store.take(all, NOW_MS + 1000)).toBe(true);
      }),
    );

    test(
      "a bucket that is named twice gives two tokens or none",
      run(async (store) => {
        const twice = [demand("ip"), demand("ip")];
        expect(await store.take(twice, NOW_MS)).toBe(true);
        expect(await store.take(twice, NOW_MS)).toEqual({ refusedBy: "ip", retryAfterMs: INTERVAL_MS });
        expect(await store.take([demand("ip")], NOW_MS)).toBe(true);
        expect(await store.take(twice, NOW_MS)).toEqual({ refusedBy: "ip", retryAfterMs: 2 * INTERVAL_MS });
        expect(await store.take(twice, NOW_MS + 2 * INTERVAL_MS)).toBe(true);
      }),
    );

    test(
      "a request without a budget passes",
      run(async (store) => expect(await store.take([], NOW_MS)).toBe(true)),
    );

    test(
      "to look at a budget costs nothing, and tells what a request would be told",
      run(async (store) => {
        for (let look = 0; look < 10; look++) expect(await store.check(demand("failures"), NOW_MS)).toBe(true);
        expect(await takeMany(store, demand("failures"), 3)).toBe(3);
        expect(await store.check(demand("failures"), NOW_MS)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        expect(await store.check(demand("failures"), NOW_MS + INTERVAL_MS)).toBe(true);
        expect(await store.take([demand("failures")], NOW_MS + INTERVAL_MS)).toBe(true);
      }),
    );

    test(
      "to look for several tokens tells whether so many are there, so that what is under way can be counted as spent",
      run(async (store) => {
        for (const tokens of [1, 2, 3]) expect(store.check(demand("failures"), NOW_MS, tokens)).toBe(true);
        expect(store.check(demand("failures"), NOW_MS, 4)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        await store.take([demand("failures")], NOW_MS);
        expect(store.check(demand("failures"), NOW_MS, 2)).toBe(true);
        expect(store.check(demand("failures"), NOW_MS, 3)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        expect(store.check(demand("failures"), NOW_MS + INTERVAL_MS, 3)).toBe(true);
      }),
    );

    test(
      "a budget in shadow mode refuses nobody and is told of, and is spent where the others are",
      run(async (store) => {
        const reported: string[] = [];
        const shadow = demand("user", "shadow", { ratePerSecond: 10, burst: 2, shadow: true });
        const take = (nowMs: number) => store.take([shadow, demand("ip")], nowMs, (scope) => void reported.push(scope));
        for (let attempt = 0; attempt < 3; attempt++) expect(await take(NOW_MS)).toBe(true);
        expect(reported).toEqual(["user"]);
        // Refused by another budget, it is neither spent nor told of.
        expect(await take(NOW_MS + INTERVAL_MS - 1)).toEqual({ refusedBy: "ip", retryAfterMs: 1 });
        expect(await store.take([shadow], NOW_MS + INTERVAL_MS, (scope) => void reported.push(scope))).toBe(true);
        expect(reported).toEqual(["user"]);
        expect(store.check(shadow, NOW_MS + INTERVAL_MS)).not.toBe(true);
      }),
    );

    test(
      "what has happened already spends a token, where there is one",
      run(async (store) => {
        for (let attempt = 0; attempt < 5; attempt++) await store.spend(demand("failures"), NOW_MS);
        expect(store.check(demand("failures"), NOW_MS)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        expect(store.check(demand("failures"), NOW_MS + INTERVAL_MS)).toBe(true);
      }),
    );

    test(
      "what has happened already spends of several buckets each by itself, and an empty one is known to be empty",
      run(async (store) => {
        const [network, session] = [demand("failures"), demand("session_failures", "key session")];
        await store.spend([network, network], NOW_MS);
        for (let attempt = 0; attempt < 2; attempt++) await store.spend([network, session], NOW_MS);
        expect(store.check(network, NOW_MS)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        expect(store.check(session, NOW_MS)).toBe(true);
        await store.spend([network, session], NOW_MS);
        expect(store.check(session, NOW_MS)).toEqual({ refusedBy: "session_failures", retryAfterMs: INTERVAL_MS });
        expect(store.check(network, NOW_MS + INTERVAL_MS)).toBe(true);
      }),
    );

    test(
      "requests that arrive together get no more than the burst",
      run(async (store) => {
        const requests = Array.from({ length: 40 }, async () => store.take([demand("ip"), demand("session")], NOW_MS));
        expect((await Promise.all(requests)).filter((outcome) => outcome === true)).toHaveLength(3);
      }),
    );

    test(
      "a clock that is set back gives no tokens, and locks nobody out until it has caught up",
      run(async (store) => {
        const backMs = NOW_MS - 86_400_000;
        await takeMany(store, demand("ip"), 3);
        expect(await store.take([demand("ip")], backMs)).toEqual({ refusedBy: "ip", retryAfterMs: INTERVAL_MS });
        expect(await store.take([demand("ip")], backMs + INTERVAL_MS)).toBe(true);
        expect(await store.take([demand("ip")], backMs + INTERVAL_MS)).not.toBe(true);
      }),
    );

    test(
      "after a clock was set back, looking at a budget again and again sees it fill",
      run(async (store) => {
        const backMs = NOW_MS - 86_400_000;
        await takeMany(store, demand("failures"), 3);
        expect(await store.check(demand("failures"), backMs)).not.toBe(true);
        expect(await store.check(demand("failures"), backMs + INTERVAL_MS)).toBe(true);
      }),
    );

    test("every budget counts its tokens as a plain counter would", async () => {
      const steps = fc.array(arbitraryStep, { maxLength: 150, size: "max" });
      await fc.assert(
        fc.asyncProperty(steps, (chosen) => behavesLikeCounters(factory, chosen)),
        { numRuns: factory.propertyRuns },
      );
    });

    test("no way of setting the clock to and fro gives more tokens than time has passed forwards", async () => {
      const moves = fc.array(fc.integer({ min: -500, max: 500 }), { maxLength: 150, size: "max" });
      await fc.assert(
        fc.asyncProperty(moves, (movesMs) => gainsNothingByTheClock(factory, movesMs)),
        { numRuns: factory.propertyRuns },
      );
    });
  });
}

function demand(scope: BucketDemand["scope"], key = "key", budget = BUDGET): BucketDemand {
  return { scope, key, budget };
}

async function takeMany(store: BucketStore, one: BucketDemand, attempts: number, nowMs = NOW_MS): Promise<number> {
  let given = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    if ((await store.take([one], nowMs)) === true) given++;
  }
  return given;
}

interface Step {
  readonly buckets: readonly number[];
  /** Those of them that are in shadow mode this time. */
  readonly shadows: readonly number[];
  readonly advanceMs: number;
}

const arbitraryStep: fc.Arbitrary<Step> = fc.record({
  buckets: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
  shadows: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 })),
  advanceMs: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 400 }) },
    fc.nat(100_000),
  ),
});

/** Intervals of 10, 25, 50, 100, 200 and 1000 ms, so that the counters below stay whole numbers. */
const BUDGETS: readonly Budget[] = [100, 40, 20, 10, 5, 1].map((ratePerSecond, index) => ({ ratePerSecond, burst: index + 1 }));

/** A bucket as the simplest thing that counts: its tokens in thousandths, and when it was last filled up. */
class Counter {
  #thousandths: number;
  #atMs: number;
  readonly #budget: Budget;

  constructor(budget: Budget, nowMs: number) {
    this.#budget = budget;
    this.#thousandths = budget.burst * 1000;
    this.#atMs = nowMs;
  }

  fill(nowMs: number): void {
    const filled = this.#thousandths + (nowMs - this.#atMs) * this.#budget.ratePerSecond;
    this.#thousandths = Math.min(this.#budget.burst * 1000, filled);
    this.#atMs = nowMs;
  }

  holds(tokens: number): boolean {
    return this.#thousandths >= tokens * 1000;
  }

  spend(tokens: number): void {
    this.#thousandths -= tokens * 1000;
  }

  spendIfHeld(): boolean {
    const isHeld = this.holds(1);
    if (isHeld) this.spend(1);
    return isHeld;
  }
}

async function behavesLikeCounters(factory: BucketStoreFactory, steps: readonly Step[]): Promise<void> {
  const harness = await factory.open();
  const counters = BUDGETS.map((budget) => new Counter(budget, NOW_MS));
  let nowMs = NOW_MS;
  try {
    for (const { buckets, shadows, advanceMs } of steps) {
      nowMs += advanceMs;
      const demands = buckets.map((bucket) =>
        demand("user", `user-${bucket}`, { ...(BUDGETS[bucket] ?? BUDGET), shadow: shadows.includes(bucket) }),
      );
      for (const counter of counters) counter.fill(nowMs);
      const asked = counters.map((counter, bucket) => ({
        counter,
        tokens: shadows.includes(bucket) ? 0 : buckets.filter((other) => other === bucket).length,
      }));
      const isGiven = asked.every(({ counter, tokens }) => counter.holds(tokens));
      let reported = 0;
      expect((await harness.store.take(demands, nowMs, () => reported++)) === true).toBe(isGiven);
      if (!isGiven) continue;
      for (const { counter, tokens } of asked) counter.spend(tokens);
      const inShadow = buckets.filter((bucket) => shadows.includes(bucket)).flatMap((bucket) => counters[bucket] ?? []);
      const empty = inShadow.filter((counter) => !counter.spendIfHeld());
      expect(reported).toBe(empty.length);
    }
  } finally {
    await harness.close();
  }
}

async function gainsNothingByTheClock(factory: BucketStoreFactory, movesMs: readonly number[]): Promise<void> {
  const harness = await factory.open();
  let nowMs = NOW_MS;
  let forwardMs = 0;
  let given = 0;
  try {
    for (const moveMs of movesMs) {
      nowMs += moveMs;
      forwardMs += Math.max(0, moveMs);
      given += await takeMany(harness.store, demand("ip"), 2, nowMs);
      expect(given).toBeLessThanOrEqual(BUDGET.burst + forwardMs / INTERVAL_MS);
    }
    // Nobody is locked out: from empty, a token comes within one interval.
    await takeMany(harness.store, demand("ip"), BUDGET.burst + 1, nowMs);
    expect(await harness.store.take([demand("ip")], nowMs + INTERVAL_MS)).toBe(true);
  } finally {
    await harness.close();
  }
}
