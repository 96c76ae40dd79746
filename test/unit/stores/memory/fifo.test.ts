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
          const held = { item };
          fifo.add(held);
          remaining.push({ item, held });
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
  const all: Held<Item>[] = Array.from({ length: 1000 }, (_, n) => ({ item: { n } }));
  for (const held of all) fifo.add(held);
  for (const held of all.slice(0, 999)) fifo.remove(held);
  expect(all.filter(({ item }) => item !== undefined)).toHaveLength(1);
  expect([fifo.size, fifo.first?.n]).toEqual([1, 999]);
});

test("an item of two lists is in neither after both have removed it", () => {
  const fifos = [new Fifo<Item>(), new Fifo<Item>()];
  const [first, second]: Held<Item>[] = [{ item: { n: 1 } }, { item: { n: 2 } }];
  if (first === undefined || second === undefined) throw new Error("two items");
  for (const fifo of fifos) for (const held of [first, second]) fifo.add(held);
  for (const fifo of fifos) fifo.remove(first);
  expect(fifos.map((fifo) => [fifo.size, fifo.first])).toEqual([
    [1, second.item],
    [1, second.item],
  ]);
});
