import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Held } from "../../../../src/core/live-set.ts";
import { Fifo } from "../../../../src/stores/memory/fifo.ts";

interface Item {
  readonly n: number;
}

test("in any order of additions and removals, the first item is the oldest that remains (property test)", () => {
  const steps = fc.array(fc.oneof(fc.constant("add" as const), fc.nat(200)), { maxLength: 600, size: "max" });
  fc.assert(
    fc.property(steps, (chosen) => {
      const fifo = new Fifo<Item>();
      const remaining: { readonly item: Item; readonly held: Held<Item> }[] = [];
      for (const [n, step] of chosen.entries()) {
        if (step === "add") {
          const item = { n };
          remaining.push({ item, held: fifo.add(item) });
        } else {
          const [removed] = remaining.splice(step % Math.max(1, remaining.length), 1);
          if (removed !== undefined) fifo.remove(removed.held);
        }
        expect(fifo.size).toBe(remaining.length);
        expect(fifo.first).toBe(remaining[0]?.item);
      }
    }),
    { numRuns: 100 },
  );
});

test("a removed item is no longer held, before and after the list is copied", () => {
  const fifo = new Fifo<Item>();
  const all = Array.from({ length: 1000 }, (_, n) => fifo.add({ n }));
  for (const held of all.slice(0, 999)) fifo.remove(held);
  expect(all.filter(({ item }) => item !== undefined)).toHaveLength(1);
  expect([fifo.size, fifo.first?.n]).toEqual([1, 999]);
});
