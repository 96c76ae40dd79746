import { expect, test } from "bun:test";
import { LocalHeldCounts } from "../../../../src/core/held-counts.ts";
import { ConnectionSweep } from "../../../../src/transport/limits/connection-sweep.ts";
import { PeerResolver } from "../../../../src/transport/peer/peer-address.ts";
import { fakeProcess, from } from "./fake-fd-table.ts";

/** The edges of several workers with shared counts: together they keep the limits that one process keeps. */

class SharedCounts extends LocalHeldCounts {
  override readonly isShared = true as unknown as false;
}

/** More sweeps than any limit needs before connections are closed. */
const SWEEPS = 20;

function workers(count: number, limits: { totalMax?: number; perNetworkMax?: number }) {
  const counts = new SharedCounts();
  const shed: string[] = [];
  const all = Array.from({ length: count }, () => {
    const process = fakeProcess([]);
    const sweep = new ConnectionSweep(process.fdTable, {
      peers: new PeerResolver([]),
      limits: { ...limits, counts, onShed: (network, bound) => void shed.push(`${bound} ${network}`) },
      metrics: { gauge() {}, observe() {}, count() {} },
    });
    const closeShutDown = () => {
      for (const fd of process.shutDown.splice(0)) process.files[fd] = undefined;
    };
    return { ...process, sweep, closeShutDown };
  });
  const sweepAll = (sweeps = SWEEPS) => {
    for (let n = 0; n < sweeps; n++) {
      for (const { sweep, closeShutDown } of all) {
        sweep.sweep();
        closeShutDown();
      }
    }
  };
  const open = () => all.reduce((sum, { files }) => sum + files.filter((file) => file !== undefined).length, 0);
  const hostsOf = (worker: number) => all[worker]?.files.flatMap((file) => (typeof file === "object" ? [file.host] : [])) ?? [];
  return { all, shed, counts, sweepAll, open, hostsOf };
}

test("a network has at most per_network_max connections over all workers", () => {
  const { all, shed, sweepAll, hostsOf } = workers(2, { perNetworkMax: 10 });
  for (const { files } of all) for (let n = 0; n < 8; n++) files.push(from(1, n), from(2 + n, n));
  sweepAll();
  const left = [...hostsOf(0), ...hostsOf(1)];
  expect(left.filter((host) => host === 1)).toHaveLength(10);
  expect(left.filter((host) => host !== 1)).toHaveLength(16);
  expect(shed).toEqual(Array(6).fill("network 192.0.2.1"));
});

test("over total_max, networks over their fair share lose connections on every worker, and no other network does", () => {
  const { all, shed, sweepAll, open, hostsOf } = workers(3, { totalMax: 128 });
  for (const [at, { files }] of all.entries()) for (let n = 0; n < 30; n++) files.push(from(100 + 30 * at + n, n));
  sweepAll();
  expect(open()).toBe(90);
  for (const { files } of all) for (let n = 0; n < 40; n++) files.push(from(1, n));
  sweepAll();
  expect(open()).toBe(128);
  expect(shed).toEqual(Array(82).fill("total 192.0.2.1"));
  expect([0, 1, 2].flatMap(hostsOf).filter((host) => host >= 100)).toHaveLength(90);
});

test("without networks over their fair share, the newest connections over total_max are closed", () => {
  const { all, sweepAll, open, hostsOf } = workers(2, { totalMax: 64 });
  for (const [at, { files }] of all.entries()) for (let n = 0; n < 32; n++) files.push(from(32 * at + n, n));
  sweepAll();
  for (const [at, { files }] of all.entries()) for (let n = 0; n < 5; n++) files.push(from(200 + 5 * at + n, n));
  sweepAll();
  expect(open()).toBe(64);
  expect([0, 1].flatMap(hostsOf).filter((host) => host < 200)).toHaveLength(64);
});

test("connections that have closed on another worker count no longer, before any open connection is closed", () => {
  const { all, shed, sweepAll } = workers(2, { perNetworkMax: 100 });
  const [first, second] = all;
  for (let n = 0; n < 100; n++) first?.files.push(from(1, n));
  sweepAll();
  first?.files.fill(undefined);
  for (let n = 0; n < 100; n++) second?.files.push(from(1, n));
  sweepAll();
  expect(shed).toEqual([]);
});

test("counts return to zero when all connections have closed, those that were closed by force included", () => {
  const { all, counts, sweepAll } = workers(2, { perNetworkMax: 5, totalMax: 12 });
  for (const { files } of all) for (let n = 0; n < 20; n++) files.push(from(n % 3, n));
  sweepAll();
  for (const { files } of all) files.fill(undefined);
  sweepAll();
  for (const key of ["total", "marked", "192.0.2.0", "192.0.2.1", "192.0.2.2"]) expect(counts.held(`edge ${key}`)).toBe(0);
});
