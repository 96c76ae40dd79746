import { expect, test } from "bun:test";
import { type ConnectionLimits, connectionLimits } from "../../../src/http/connection-limits.ts";
import { ConnectionSweep } from "../../../src/http/connection-sweep.ts";
import { EdgeConnections } from "../../../src/http/edge-connections.ts";
import { FileBudget } from "../../../src/http/file-budget.ts";
import { PeerResolver } from "../../../src/http/peer-address.ts";
import { fakeProcess, from } from "./fake-sockets.ts";

function sweepWith(limits: Partial<ConnectionLimits>) {
  const { files, sockets, shutDown, state } = fakeProcess([]);
  const time = { nowMs: 0 };
  const lines: string[] = [];
  const counted: string[] = [];
  const sweep = new ConnectionSweep(new EdgeConnections(sockets, (address) => address), {
    peers: new PeerResolver([]),
    limits: connectionLimits(limits),
    log: {
      debug() {},
      info() {},
      error() {},
      warn: (_message, fields) => void lines.push(`${fields?.cut} cut, ${fields?.of_that} of ${fields?.most_of}`),
    },
    metrics: { gauge() {}, observe() {}, count: (name, labels) => void counted.push(`${name} ${labels?.bound}`) },
    clock: { now: () => time.nowMs, monotonic: () => time.nowMs },
  });
  const look = (afterMs = 50) => {
    time.nowMs += afterMs;
    sweep.look();
  };
  return { files, shutDown, state, look, lines, counted };
}

test("what is cut is counted one by one, and told of at once, then no more than every ten seconds, by who had the most cut", () => {
  const { files, look, lines, counted } = sweepWith({ perNetworkMax: 1 });
  files.push(from(1, 1), from(1, 2));
  look();
  expect(lines).toEqual(["1 cut, 1 of 192.0.2.1"]);
  for (let n = 0; n < 5; n++) files.push(from(1, 10 + n), from(2, 10 + n));
  look();
  for (let n = 0; n < 5; n++) files.push(from(1, 20 + n));
  look(9900);
  expect(lines.length).toBe(1);
  look();
  look(60_000);
  expect(lines).toEqual(["1 cut, 1 of 192.0.2.1", "14 cut, 10 of 192.0.2.1"]);
  expect(counted.length).toBe(15);
  expect(new Set(counted)).toEqual(new Set(["sallyport_edge_connections_cut_total network"]));
});

test("the files that other listeners' connections hold are not there for the edge's, nor the edge's for theirs", () => {
  const budget = new FileBudget(5);
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
