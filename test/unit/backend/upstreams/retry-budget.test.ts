import { expect, test } from "bun:test";
import { RetryBudget } from "../../../../src/backend/upstreams/retry-budget.ts";

/** The number of repeats that are allowed if each of `calls` calls asks for one. */
function repeats(budget: RetryBudget, calls: number): number {
  let allowed = 0;
  for (let call = 0; call < calls; call++) {
    budget.earn();
    if (budget.spend()) allowed++;
  }
  return allowed;
}

test.each([25, 100, 10_000])("at most 20 %% of %i calls are repeated", (calls) => {
  const allowed = repeats(new RetryBudget(20), calls);
  expect(allowed).toBeLessThanOrEqual(0.2 * calls);
  expect(allowed).toBeGreaterThanOrEqual(0.2 * calls - 1);
});

test("the first five calls may be repeated", () => {
  expect(repeats(new RetryBudget(20), 5)).toBe(5);
});

test("a long time without failures saves no more than ten repeats", () => {
  const budget = new RetryBudget(20);
  for (let call = 0; call < 10_000; call++) budget.earn();
  let saved = 0;
  while (budget.spend()) saved++;
  expect(saved).toBe(10);
});

test("a budget of 0 % allows no repeat", () => {
  const budget = new RetryBudget(20);
  budget.adopt(0);
  expect(repeats(budget, 100)).toBe(0);
});
