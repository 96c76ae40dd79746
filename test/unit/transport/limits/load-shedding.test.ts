import { expect, test } from "bun:test";
import fc from "fast-check";
import { selectExcess } from "../../../../src/transport/limits/load-shedding.ts";

/** "a1 b1": of two networks, the oldest first; `-`: a trusted proxy's. */
function excess(oldestFirst: string, bounds: { totalMax?: number; perNetworkMax?: number }) {
  const open = oldestFirst.split(" ").map((name) => ({ name, network: name.startsWith("-") ? undefined : name.slice(0, 1) }));
  const found = selectExcess(open, { totalMax: 100, perNetworkMax: 100, ...bounds });
  return found.map(({ connection, bound }) => `${connection.name} ${bound}`);
}

test("within the bounds nothing is over them", () => {
  expect(excess("a1 a2 b1", { totalMax: 3, perNetworkMax: 2 })).toEqual([]);
  expect(selectExcess([], { totalMax: 0, perNetworkMax: 1 })).toEqual([]);
});

test("of a network with too many, the newest go; others keep theirs", () => {
  expect(excess("a1 b1 a2 a3 b2 a4", { perNetworkMax: 2 })).toEqual(["a3 network", "a4 network"]);
});

test("trusted proxies have no bound of their own", () => {
  expect(excess("-1 -2 -3 -4 a1", { perNetworkMax: 1 })).toEqual([]);
});

test("in all, who fills the gateway up is cut, and not who comes then", () => {
  expect(excess("a1 a2 a3 a4 b1 c1", { totalMax: 5 })).toEqual(["a4 total"]);
  expect(excess("a1 a2 a3 a4 b1 c1", { totalMax: 3 })).toEqual(["a2 total", "a3 total", "a4 total"]);
});

test("a modest network keeps what it has, whatever the crowd that comes after; one that is not gives to newcomers", () => {
  const of = (network: string, count: number) => Array.from({ length: count }, (_, n) => ({ network, name: `${network}${n}` }));
  const crowd = Array.from({ length: 640 }, (_, n) => ({ network: `c${n}`, name: `c${n}` }));
  const bounds = { totalMax: 640, perNetworkMax: 640 };
  const modest = selectExcess([...of("a", 10), ...crowd], bounds);
  expect(modest.map(({ connection }) => connection.name)).toEqual(crowd.slice(-10).map(({ name }) => name));
  const greedy = selectExcess([...of("a", 12), ...crowd.slice(0, 630)], bounds);
  expect(greedy.map(({ connection }) => connection.name)).toEqual(["a10", "a11"]);
});

test("where all have as many, the newest are cut, whether they are of networks or of proxies", () => {
  expect(excess("a1 -1 b1 -2 c1", { totalMax: 3 })).toEqual(["-2 total", "c1 total"]);
});

test("what the bound of a network takes does not count in all", () => {
  expect(excess("a1 a2 a3 b1", { totalMax: 3, perNetworkMax: 2 })).toEqual(["a3 network"]);
});

test("what is left keeps both bounds, no more is cut than must be, and nobody has his older connection cut before his newer", () => {
  const networks = fc.array(fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }), { maxLength: 40 });
  fc.assert(
    fc.property(networks, fc.nat(40), fc.integer({ min: 1, max: 20 }), (names, totalMax, perNetworkMax) => {
      const open = names.map((network, age) => ({ network, age }));
      const cut = new Set(selectExcess(open, { totalMax, perNetworkMax }).map(({ connection }) => connection));
      const kept = open.filter((connection) => !cut.has(connection));
      const allowed = open.filter(({ network, age }) => {
        const older = open.filter((other) => other.network === network && other.age < age);
        return network === undefined || older.length < perNetworkMax;
      });
      expect(kept.length).toBe(Math.min(allowed.length, totalMax));
      for (const { network, age } of cut) {
        expect(kept.some((other) => network !== undefined && other.network === network && other.age > age)).toBe(false);
      }
    }),
  );
});
