import { expect, test } from "bun:test";
import fc from "fast-check";
import { connectionsToShed } from "../../../../src/transport/limits/load-shedding.ts";

/** "a1 b1": connections of the networks a and b, the oldest first. `-`: a trusted proxy's. */
function shedOf(oldestFirst: string, bounds: { totalMax?: number; perNetworkMax?: number }) {
  const open = oldestFirst.split(" ").map((name) => ({ name, network: name.startsWith("-") ? undefined : name.slice(0, 1) }));
  const found = connectionsToShed(open, { totalMax: 100, perNetworkMax: 100, ...bounds });
  return found.map(({ connection, bound }) => `${connection.name} ${bound}`);
}

test("within the limits no connection is selected", () => {
  expect(shedOf("a1 a2 b1", { totalMax: 3, perNetworkMax: 2 })).toEqual([]);
  expect(connectionsToShed([], { totalMax: 0, perNetworkMax: 1 })).toEqual([]);
});

test("over the network limit, the newest connections of that network are selected", () => {
  expect(shedOf("a1 b1 a2 a3 b2 a4", { perNetworkMax: 2 })).toEqual(["a3 network", "a4 network"]);
});

test("a trusted proxy has no network limit", () => {
  expect(shedOf("-1 -2 -3 -4 a1", { perNetworkMax: 1 })).toEqual([]);
});

test("over the total limit, the network that holds the most loses connections, not the network that came last", () => {
  expect(shedOf("a1 a2 a3 a4 b1 c1", { totalMax: 5 })).toEqual(["a4 total"]);
  expect(shedOf("a1 a2 a3 a4 b1 c1", { totalMax: 3 })).toEqual(["a2 total", "a3 total", "a4 total"]);
});

test("a network within its fair share keeps its connections when many networks come; a network above it loses some", () => {
  const of = (network: string, count: number) => Array.from({ length: count }, (_, n) => ({ network, name: `${network}${n}` }));
  const newcomers = Array.from({ length: 640 }, (_, n) => ({ network: `c${n}`, name: `c${n}` }));
  const bounds = { totalMax: 640, perNetworkMax: 640 };
  const fair = connectionsToShed([...of("a", 10), ...newcomers], bounds);
  expect(fair.map(({ connection }) => connection.name)).toEqual(newcomers.slice(-10).map(({ name }) => name));
  const unfair = connectionsToShed([...of("a", 12), ...newcomers.slice(0, 630)], bounds);
  expect(unfair.map(({ connection }) => connection.name)).toEqual(["a10", "a11"]);
});

test("if all networks hold the same number, the newest connections are selected, of networks and proxies alike", () => {
  expect(shedOf("a1 -1 b1 -2 c1", { totalMax: 3 })).toEqual(["-2 total", "c1 total"]);
});

test("connections selected by the network limit do not count for the total limit", () => {
  expect(shedOf("a1 a2 a3 b1", { totalMax: 3, perNetworkMax: 2 })).toEqual(["a3 network"]);
});

test("the rest is within both limits, no more than needed is selected, and a network never loses an older connection before a newer one", () => {
  const networks = fc.array(fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }), { maxLength: 40 });
  fc.assert(
    fc.property(networks, fc.nat(40), fc.integer({ min: 1, max: 20 }), (names, totalMax, perNetworkMax) => {
      const open = names.map((network, age) => ({ network, age }));
      const selected = new Set(connectionsToShed(open, { totalMax, perNetworkMax }).map(({ connection }) => connection));
      const kept = open.filter((connection) => !selected.has(connection));
      const allowed = open.filter(({ network, age }) => {
        const older = open.filter((other) => other.network === network && other.age < age);
        return network === undefined || older.length < perNetworkMax;
      });
      expect(kept.length).toBe(Math.min(allowed.length, totalMax));
      for (const { network, age } of selected) {
        expect(kept.some((other) => network !== undefined && other.network === network && other.age > age)).toBe(false);
      }
    }),
  );
});
