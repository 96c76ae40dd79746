import { expect, test } from "bun:test";
import { type ConnectionLimits, connectionLimits } from "../../../../src/transport/limits/connection-limits.ts";
import { ConnectionSweep } from "../../../../src/transport/limits/connection-sweep.ts";
import { FdBudget } from "../../../../src/transport/limits/fd-budget.ts";
import { PeerResolver } from "../../../../src/transport/peer/peer-address.ts";
import { fakeProcess, from } from "./fake-fd-table.ts";

function sweepWith(limits: Partial<ConnectionLimits>) {
  const { files, fdTable, shutDown, state } = fakeProcess([]);
  const sweep = new ConnectionSweep(fdTable, {
    peers: new PeerResolver([]),
    limits: connectionLimits(limits),
    metrics: { gauge() {}, observe() {}, count() {} },
  });
  return { files, shutDown, state, sweepOnce: () => sweep.sweep() };
}

test("the edge's connections and those of other listeners share one fd budget", () => {
  const budget = new FdBudget(5);
  const { files, shutDown, sweepOnce } = sweepWith({ fds: budget });
  expect(budget.take(2)).toBe(true);
  for (let n = 0; n < 10; n++) files.push(from(n, 1));
  sweepOnce();
  expect(shutDown.length).toBe(7);
  expect(budget.take(1)).toBe(false);
  files[0] = undefined;
  for (let n = 0; n < 10; n++) sweepOnce();
  expect(budget.take(1)).toBe(true);
  expect(budget.take(1)).toBe(false);
});

test("in a small process, every fifth sweep inspects all descriptors", () => {
  const { files, state, sweepOnce } = sweepWith({});
  for (let n = 0; n < 10; n++) files.push(from(n, 1));
  for (let n = 0; n < 6; n++) sweepOnce();
  const before = state.inspections;
  for (let n = 0; n < 50; n++) sweepOnce();
  // Ten passes, and each sweep inspects 16 descriptors beyond the last one.
  expect(state.inspections - before).toBe(10 * 10 + 50 * 16);
});

test("while no connection opens or closes, a sweep inspects few descriptors; each change makes later sweeps inspect more", () => {
  const { files, state, sweepOnce } = sweepWith({});
  for (let n = 0; n < 5000; n++) files.push(from(n, 1));
  const inspectionsOf = (sweeps: number) => {
    const before = state.inspections;
    for (let n = 0; n < sweeps; n++) sweepOnce();
    return state.inspections - before;
  };
  // The sweeps find 5000 connections. At first, they inspect 512 descriptors each.
  expect(inspectionsOf(10)).toBeGreaterThan(5000 + 10 * 512);
  inspectionsOf(40);
  const atRest = inspectionsOf(10);
  expect(atRest).toBeLessThan(10 * 100);
  files.splice(100, 1, from(7, 7));
  let sweeps = 0;
  for (let seen = atRest / 10; seen <= atRest / 10; sweeps++) seen = inspectionsOf(1);
  expect(sweeps).toBeLessThanOrEqual(161);
});
