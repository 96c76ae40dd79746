import { expect, test } from "bun:test";
import { type ConnectionLimits, connectionLimits } from "../../../../src/transport/limits/connection-limits.ts";
import { ConnectionSweep } from "../../../../src/transport/limits/connection-sweep.ts";
import { EdgeConnections } from "../../../../src/transport/limits/edge-connections.ts";
import { FdBudget } from "../../../../src/transport/limits/fd-budget.ts";
import { PeerResolver } from "../../../../src/transport/peer/peer-address.ts";
import { fakeProcess, from } from "./fake-fd-table.ts";

function sweepWith(limits: Partial<ConnectionLimits>) {
  const { files, sockets, shutDown, state } = fakeProcess([]);
  const sweep = new ConnectionSweep(new EdgeConnections(sockets, (address) => address), {
    peers: new PeerResolver([]),
    limits: connectionLimits(limits),
    metrics: { gauge() {}, observe() {}, count() {} },
  });
  return { files, shutDown, state, look: () => sweep.look() };
}

test("the files that other listeners' connections hold are not there for the edge's, nor the edge's for theirs", () => {
  const budget = new FdBudget(5);
  const { files, shutDown, look } = sweepWith({ files: budget });
  expect(budget.take(2)).toBe(true);
  for (let n = 0; n < 10; n++) files.push(from(n, 1));
  look();
  expect(shutDown.length).toBe(7);
  expect(budget.take(1)).toBe(false);
  files[0] = undefined;
  for (let n = 0; n < 10; n++) look();
  expect(budget.take(1)).toBe(true);
  expect(budget.take(1)).toBe(false);
});

test("a process with few files is looked at whole every fifth time, not every time", () => {
  const { files, state, look } = sweepWith({});
  for (let n = 0; n < 100; n++) files.push(from(n, 1));
  look();
  const before = state.looks;
  for (let n = 0; n < 50; n++) look();
  // Ten passes, and a few beyond the last file each time.
  expect(Math.floor((state.looks - before) / 100)).toBe(10 + (50 * 16) / 100);
});
