import { describe, expect, test } from "bun:test";
import { REASONS, type Reason } from "../../../src/core/reasons.ts";
import { retryDelayMs } from "../../../src/core/retry-delay.ts";

const BOUNDED: readonly Reason[] = ["TOO_MANY_STREAMS", "SLOW_CONSUMER", "STREAM_EXPIRED", "SHUTTING_DOWN"];
const least = () => 0;
const most = () => 1 - Number.EPSILON;

describe("the retry delay", () => {
  test.each(BOUNDED)("of %s is random, above zero and at most 31 s, even for a million streams", (reason) => {
    for (const streams of [0, 1, 50_000, 1_000_000]) {
      const [low = 0, high = 0] = [retryDelayMs(reason, streams, least), retryDelayMs(reason, streams, most)];
      expect(low).toBeGreaterThanOrEqual(100);
      expect(high - low).toBeGreaterThanOrEqual(999);
      expect(high).toBeLessThanOrEqual(31_000);
    }
  });

  test("of SHUTTING_DOWN spreads more clients over more time, one per millisecond", () => {
    const spread = (streams: number) =>
      Math.round((retryDelayMs("SHUTTING_DOWN", streams, most) ?? 0) - (retryDelayMs("SHUTTING_DOWN", streams, least) ?? 0));
    expect([0, 1000, 5000, 30_000, 50_000].map(spread)).toEqual([1000, 1000, 5000, 30_000, 30_000]);
  });

  test("exists for no other refusal", () => {
    const others = REASONS.filter((reason) => !BOUNDED.includes(reason));
    expect(others.filter((reason) => retryDelayMs(reason, 0, most) !== undefined)).toEqual([]);
  });
});
