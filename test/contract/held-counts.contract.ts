import { afterEach, beforeEach, describe, expect, test } from "bun:test";

/** `HeldCounts`, in this process or in others. */
export interface TestedHeldCounts {
  held(key: string): number | Promise<number>;
  tryAdd(key: string, amount: number, max?: number): boolean | Promise<boolean>;
  remove(key: string, amount: number): void | Promise<void>;
  removeOver(key: string, max: number): boolean | Promise<boolean>;
}

export interface HeldCountsHarness {
  readonly counts: TestedHeldCounts;
  readonly close?: () => void | Promise<void>;
}

export interface HeldCountsContractOptions {
  readonly name: string;
  readonly open: () => HeldCountsHarness | Promise<HeldCountsHarness>;
}

/** What every implementation of `HeldCounts` must do. */
export function heldCountsContract({ name, open }: HeldCountsContractOptions): void {
  describe(`held counts: ${name}`, () => {
    let harness: HeldCountsHarness;
    let counts: TestedHeldCounts;
    beforeEach(async () => {
      harness = await open();
      counts = harness.counts;
    });
    afterEach(() => harness.close?.());

    test("of fifty concurrent additions, as many succeed as the maximum allows", async () => {
      const added = await Promise.all(Array.from({ length: 50 }, () => counts.tryAdd("network", 1, 20)));
      expect(added.filter(Boolean)).toHaveLength(20);
      expect(await counts.held("network")).toBe(20);
    });

    test("an addition above the maximum adds nothing, one of several units neither", async () => {
      expect(await counts.tryAdd("network", 3, 4)).toBe(true);
      expect(await counts.tryAdd("network", 2, 4)).toBe(false);
      expect(await counts.held("network")).toBe(3);
      expect(await counts.tryAdd("network", 1, 4)).toBe(true);
    });

    test("keys are counted separately", async () => {
      for (let n = 0; n < 30; n++) expect(await counts.tryAdd(`network ${n}`, n + 1)).toBe(true);
      for (let n = 0; n < 30; n++) expect(await counts.held(`network ${n}`)).toBe(n + 1);
      expect(await counts.held("another")).toBe(0);
    });

    test("removeOver removes down to the maximum, however many calls there are", async () => {
      for (let n = 0; n < 12; n++) await counts.tryAdd("network", 1);
      const removed: boolean[] = [];
      for (let n = 0; n < 24; n++) removed.push(await counts.removeOver("network", 7));
      expect(removed.filter(Boolean).length).toBeGreaterThan(0);
      expect(await counts.held("network")).toBe(12 - removed.filter(Boolean).length);
      expect(await counts.held("network")).toBeGreaterThanOrEqual(7);
      expect(await counts.removeOver("network", 12)).toBe(false);
    });
  });
}
