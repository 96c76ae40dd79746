import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BucketDemand, BucketStore, Budget } from "../../src/core/buckets.ts";

/** A store under test. `check` is asynchronous if the store runs in another process. */
export interface TestedBucketStore extends Omit<BucketStore, "check"> {
  check(
    ...args: Parameters<BucketStore["check"]>
  ): ReturnType<BucketStore["check"]> | Promise<ReturnType<BucketStore["check"]>>;
}

/** An empty store under test. The suite passes the time to each call. */
export interface BucketStoreHarness {
  readonly store: TestedBucketStore;
  close(): void | Promise<void>;
}

export interface BucketStoreFactory {
  readonly name: string;
  /** Runs of each property test; fewer for a slow store. */
  readonly propertyRuns: number;
  open(): BucketStoreHarness | Promise<BucketStoreHarness>;
}

const NOW_MS = 1_760_000_000_000;
/** A token every 100 ms. */
const BUDGET: Budget = { ratePerSecond: 10, burst: 3 };
const INTERVAL_MS = 100;

export function bucketStoreContract(factory: BucketStoreFactory): void {
  const run = (body: (store: TestedBucketStore) => Promise<void>) => async () => {
    const harness = await factory.open();
    try {
      await body(harness.store);
    } finally {
      await harness.close();
    }
  };

  describe(`BucketStore: ${factory.name}`, () => {
    test(
      "a new bucket gives its burst, then one token per interval",
      run(async (store) => {
        expect(await takeMany(store, demand("ip"), 3)).toBe(3);
        expect(await store.take([demand("ip")], NOW_MS)).toEqual({ refusedBy: "ip", retryAfterMs: INTERVAL_MS });
        expect(await store.take([demand("ip")], NOW_MS + INTERVAL_MS - 1)).toEqual({ refusedBy: "ip", retryAfterMs: 1 });
        expect(await store.take([demand("ip")], NOW_MS + INTERVAL_MS)).toBe(true);
        expect(await store.take([demand("ip")], NOW_MS + INTERVAL_MS)).not.toBe(true);
      }),
    );

    test(
      "an idle bucket holds at most its burst",
      run(async (store) => {
        await takeMany(store, demand("ip"), 3);
        const laterMs = NOW_MS + 3_600_000;
        expect(await takeMany(store, demand("ip"), 10, laterMs)).toBe(3);
      }),
    );

    test(
      "the whole burst is available if the interval is not a whole number of milliseconds",
      run(async (store) => {
        for (const ratePerSecond of [3, 7, 1 / 3, 3000, 1 / 60]) {
          const odd = demand("user", `rate-${ratePerSecond}`, { ratePerSecond, burst: 20 });
          expect(await takeMany(store, odd, 30)).toBe(20);
        }
      }),
    );

    test(
      "a rate below one token per second is enforced",
      run(async (store) => {
        const rare = demand("public_identity", "a@example.com", { ratePerSecond: 1 / 60, burst: 1 });
        expect(await store.take([rare], NOW_MS)).toBe(true);
        expect(await store.take([rare], NOW_MS)).toEqual({ refusedBy: "public_identity", retryAfterMs: 60_000 });
        expect(await store.take([rare], NOW_MS + 60_000)).toBe(true);
      }),
    );

    test(
      "scopes and keys have separate buckets",
      run(async (store) => {
        await takeMany(store, demand("user", "x"), 3);
        expect(await store.take([demand("session", "x")], NOW_MS)).toBe(true);
        expect(await store.take([demand("user", "y")], NOW_MS)).toBe(true);
        expect(await store.take([demand("user", "x")], NOW_MS)).not.toBe(true);
      }),
    );

    test(
      "a refused request spends no token of any budget",
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
      "a refusal names the first empty budget, and the delay until all budgets have a token",
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
      "a bucket that is demanded twice gives two tokens or none",
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
      "a request without demands is accepted",
      run(async (store) => expect(await store.take([], NOW_MS)).toBe(true)),
    );

    test(
      "`check` takes no token, and returns what `take` would",
      run(async (store) => {
        for (let look = 0; look < 10; look++) expect(await store.check(demand("failures"), NOW_MS)).toBe(true);
        expect(await takeMany(store, demand("failures"), 3)).toBe(3);
        expect(await store.check(demand("failures"), NOW_MS)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        expect(await store.check(demand("failures"), NOW_MS + INTERVAL_MS)).toBe(true);
        expect(await store.take([demand("failures")], NOW_MS + INTERVAL_MS)).toBe(true);
      }),
    );

    test(
      "`check` for several tokens tells whether the bucket has that many",
      run(async (store) => {
        for (const tokens of [1, 2, 3]) expect(await store.check(demand("failures"), NOW_MS, tokens)).toBe(true);
        expect(await store.check(demand("failures"), NOW_MS, 4)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        await store.take([demand("failures")], NOW_MS);
        expect(await store.check(demand("failures"), NOW_MS, 2)).toBe(true);
        expect(await store.check(demand("failures"), NOW_MS, 3)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        expect(await store.check(demand("failures"), NOW_MS + INTERVAL_MS, 3)).toBe(true);
      }),
    );

    test(
      "a budget in shadow mode never refuses, is reported, and is spent only if the others are met",
      run(async (store) => {
        const reported: string[] = [];
        const shadow = demand("user", "shadow", { ratePerSecond: 10, burst: 2, shadow: true });
        const take = (nowMs: number) => store.take([shadow, demand("ip")], nowMs, (scope) => void reported.push(scope));
        for (let attempt = 0; attempt < 3; attempt++) expect(await take(NOW_MS)).toBe(true);
        expect(reported).toEqual(["user"]);
        // If another budget refuses, it is neither spent nor reported.
        expect(await take(NOW_MS + INTERVAL_MS - 1)).toEqual({ refusedBy: "ip", retryAfterMs: 1 });
        expect(await store.take([shadow], NOW_MS + INTERVAL_MS, (scope) => void reported.push(scope))).toBe(true);
        expect(reported).toEqual(["user"]);
        expect(await store.check(shadow, NOW_MS + INTERVAL_MS)).not.toBe(true);
      }),
    );

    test(
      "`spend` takes a token if there is one",
      run(async (store) => {
        for (let attempt = 0; attempt < 5; attempt++) await store.spend(demand("failures"), NOW_MS);
        expect(await store.check(demand("failures"), NOW_MS)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        expect(await store.check(demand("failures"), NOW_MS + INTERVAL_MS)).toBe(true);
      }),
    );

    test(
      "`spend` takes from several buckets independently, and an empty one stays empty",
      run(async (store) => {
        const [network, session] = [demand("failures"), demand("session_failures", "key session")];
        await store.spend([network, network], NOW_MS);
        for (let attempt = 0; attempt < 2; attempt++) await store.spend([network, session], NOW_MS);
        expect(await store.check(network, NOW_MS)).toEqual({ refusedBy: "failures", retryAfterMs: INTERVAL_MS });
        expect(await store.check(session, NOW_MS)).toBe(true);
        await store.spend([network, session], NOW_MS);
        expect(await store.check(session, NOW_MS)).toEqual({ refusedBy: "session_failures", retryAfterMs: INTERVAL_MS });
        expect(await store.check(network, NOW_MS + INTERVAL_MS)).toBe(true);
      }),
    );

    test(
      "concurrent requests get at most the burst",
      run(async (store) => {
        const requests = Array.from({ length: 40 }, async () => store.take([demand("ip"), demand("session")], NOW_MS));
        expect((await Promise.all(requests)).filter((outcome) => outcome === true)).toHaveLength(3);
      }),
    );

    test(
      "a clock that is set back gives no tokens, and delays the next token by one interval at most",
      run(async (store) => {
        const backMs = NOW_MS - 86_400_000;
        await takeMany(store, demand("ip"), 3);
        expect(await store.take([demand("ip")], backMs)).toEqual({ refusedBy: "ip", retryAfterMs: INTERVAL_MS });
        expect(await store.take([demand("ip")], backMs + INTERVAL_MS)).toBe(true);
        expect(await store.take([demand("ip")], backMs + INTERVAL_MS)).not.toBe(true);
      }),
    );

    test(
      "after the clock was set back, `check` alone sees the bucket fill",
      run(async (store) => {
        const backMs = NOW_MS - 86_400_000;
        await takeMany(store, demand("failures"), 3);
        expect(await store.check(demand("failures"), backMs)).not.toBe(true);
        expect(await store.check(demand("failures"), backMs + INTERVAL_MS)).toBe(true);
      }),
    );

    test("in any order of steps, every bucket behaves like a counter (property test)", async () => {
      const steps = fc.array(arbitraryStep, { maxLength: 150, size: "max" });
      await fc.assert(
        fc.asyncProperty(steps, (chosen) => behavesLikeCounters(factory, chosen)),
        { numRuns: factory.propertyRuns },
      );
    });

    test("however the clock is set, tokens are given for forward time only (property test)", async () => {
      const moves = fc.array(fc.integer({ min: -500, max: 500 }), { maxLength: 150, size: "max" });
      await fc.assert(
        fc.asyncProperty(moves, (movesMs) => givesNothingForClockSteps(factory, movesMs)),
        { numRuns: factory.propertyRuns },
      );
    });
  });
}

function demand(scope: BucketDemand["scope"], key = "key", budget = BUDGET): BucketDemand {
  return { scope, key, budget };
}

async function takeMany(store: TestedBucketStore, one: BucketDemand, attempts: number, nowMs = NOW_MS): Promise<number> {
  let given = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    if ((await store.take([one], nowMs)) === true) given++;
  }
  return given;
}

interface Step {
  readonly buckets: readonly number[];
  /** The buckets that are in shadow mode in this step. */
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

/** Intervals of 10, 25, 50, 100, 200 and 1000 ms, so that the counters stay whole numbers. */
const BUDGETS: readonly Budget[] = [100, 40, 20, 10, 5, 1].map((ratePerSecond, index) => ({ ratePerSecond, burst: index + 1 }));

/** The reference model of a bucket: its tokens in thousandths, and the time of the last refill. */
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

async function givesNothingForClockSteps(factory: BucketStoreFactory, movesMs: readonly number[]): Promise<void> {
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
    // No lock-out: an empty bucket has a token after one interval.
    await takeMany(harness.store, demand("ip"), BUDGET.burst + 1, nowMs);
    expect(await harness.store.take([demand("ip")], nowMs + INTERVAL_MS)).toBe(true);
  } finally {
    await harness.close();
  }
}
