import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FairQuota } from "../../../../src/rpc/services/fair-quota.ts";

/** A quota and the holders of its places, by name: `a1` is the first holder of network `a`. */
class QuotaModel {
  readonly held = new Map<string, () => void>();
  readonly evicted: string[] = [];
  readonly #quota: FairQuota;

  constructor(max: number) {
    this.#quota = new FairQuota(max);
  }

  take(name: string): boolean {
    const evict = () => {
      this.held.delete(name);
      this.evicted.push(name);
    };
    const given = this.#quota.take(networkOf(name), evict);
    if (given) this.held.set(name, evict);
    return given;
  }

  leave(name: string): void {
    const evict = this.held.get(name);
    if (evict !== undefined) this.#quota.release(networkOf(name), evict);
    this.held.delete(name);
  }

  count(network: string): number {
    return [...this.held.keys()].filter((name) => networkOf(name) === network).length;
  }
}

const networkOf = (name: string) => name.slice(0, 1);

function hall(max: number, ...names: string[]): QuotaModel {
  const made = new QuotaModel(max);
  for (const name of names) made.take(name);
  return made;
}

describe("when every place is held", () => {
  test("the network that holds the most loses its newest place to a newcomer of another network", () => {
    const full = hall(4, "a1", "b1", "a2", "a3");
    expect(full.take("c1")).toBe(true);
    expect([full.take("b2"), full.take("a4")]).toEqual([false, false]);
    expect(full.evicted).toEqual(["a3"]);
    expect([...full.held.keys()]).toEqual(["a1", "b1", "a2", "c1"]);
  });

  test("a newcomer of the network that holds the most is refused, and no place is taken away", () => {
    const full = hall(3, "a1", "a2", "b1");
    expect([full.take("a3"), full.evicted]).toEqual([false, []]);
  });

  test("networks that hold one place each keep it", () => {
    const full = hall(3, "a1", "b1", "c1");
    for (const name of ["d1", "e1", "a2"]) expect(full.take(name)).toBe(false);
    expect(full.evicted).toEqual([]);
  });

  test("networks that hold about the same number do not evict each other", () => {
    const full = hall(4, "a1", "a2", "b1", "b2");
    for (let round = 0; round < 10; round++)
      expect([full.take(`a${round + 3}`), full.take(`b${round + 3}`)]).toEqual([false, false]);
    expect(full.evicted).toEqual([]);
  });

  test("a released place can be taken again", () => {
    const full = hall(2, "a1", "b1");
    full.leave("a1");
    full.leave("a1");
    expect([full.take("c1"), full.take("d1")]).toEqual([true, false]);
  });
});

test("for any sequence, the limit holds, and only the network that holds the most is evicted from", () => {
  const network = fc.constantFrom("a", "b", "c", "d");
  const steps = fc.array(fc.record({ network, leaves: fc.boolean() }), { maxLength: 200, size: "max" });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 12 }), (chosen, max) => {
      const some = new QuotaModel(max);
      for (const [at, step] of chosen.entries()) {
        const before = new Map(["a", "b", "c", "d"].map((each) => [each, some.count(each)]));
        const evictedBefore = some.evicted.length;
        const oldest = [...some.held.keys()].find((name) => networkOf(name) === step.network);
        if (step.leaves && oldest !== undefined) some.leave(oldest);
        else some.take(`${step.network}${at}`);
        expect(some.held.size).toBeLessThanOrEqual(max);
        for (const name of some.evicted.slice(evictedBefore)) {
          expect(before.get(networkOf(name))).toBe(Math.max(...before.values()));
          expect(networkOf(name)).not.toBe(step.network);
        }
      }
    }),
  );
});
