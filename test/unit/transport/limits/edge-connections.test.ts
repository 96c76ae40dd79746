import { expect, test } from "bun:test";
import { EdgeConnections } from "../../../../src/transport/limits/edge-connections.ts";
import { fakeProcess, from } from "./fake-fd-table.ts";

const ROOMY = { totalMax: 1000, perNetworkMax: 1000 };

function processWith(initial: Parameters<typeof fakeProcess>[0]) {
  const { files, fdTable, shutDown, state } = fakeProcess(initial);
  const connections = new EdgeConnections(fdTable, (address) => (address === "192.0.2.99" ? undefined : address));
  const shed = (bounds: { totalMax?: number; perNetworkMax?: number }) => {
    const reported: string[] = [];
    connections.shed({ ...ROOMY, ...bounds }, (network, bound) => reported.push(`${network} ${bound}`));
    return { reported, fds: shutDown.splice(0) };
  };
  return { files, connections, shed, state };
}

test("a scan finds new connections below the lowest free fd and beyond the highest known fd; a pass finds the rest", () => {
  const { files, connections } = processWith(["no socket", from(1, 1), from(2, 1), undefined, from(3, 1), undefined]);
  connections.scanNew();
  expect(connections.size).toBe(3);
  // Many connections beyond a free fd: one was closed in between.
  files.push(...Array.from({ length: 1000 }, (_, n) => from(4, n)));
  connections.scanNew();
  expect(connections.size).toBe(1003);
  files[1] = undefined;
  files[5] = from(5, 1);
  connections.scanNew();
  expect(connections.size).toBe(1003);
  expect(connections.scanNext(2000)).toBe(true);
  expect(connections.size).toBe(1003);
  expect(connections.scanNext(2000)).toBe(true);
});

test("a pass finds connections beyond a long range of free fds", () => {
  const { files, connections } = processWith([from(1, 1)]);
  connections.scanNew();
  files.push(...Array.from({ length: 500 }, () => undefined));
  files.push(...Array.from({ length: 100 }, (_, n) => from(4, n)));
  connections.scanNew();
  expect(connections.size).toBe(1);
  for (let pass = 0; pass < 8; pass++) while (!connections.scanNext(512));
  expect(connections.size).toBe(101);
});

test("after many connections are closed, a pass is as short as before", () => {
  const { files, connections, state } = processWith(Array.from({ length: 5000 }, (_, n) => from(1, n)));
  connections.scanNew();
  files.fill(undefined, 10);
  connections.scanNext(10_000);
  state.inspections = 0;
  expect(connections.scanNext(10_000)).toBe(true);
  expect(state.inspections).toBe(10);
  expect(connections.size).toBe(10);
});

test("a connection that reuses the fd and the peer's port of one that was shut down counts as new", () => {
  const { files, connections, shed } = processWith([from(1, 1), from(1, 2)]);
  connections.scanNew();
  expect(shed({ perNetworkMax: 1 }).fds).toEqual([1]);
  files[1] = from(1, 2);
  connections.scanNew();
  expect(connections.size).toBe(2);
  expect(shed({ perNetworkMax: 1 }).fds).toEqual([1]);
});

test("a closed connection does not count for the total limit, though no scan has noticed it", () => {
  const { files, connections, shed } = processWith(Array.from({ length: 10 }, (_, n) => from(n, 1)));
  connections.scanNew();
  for (const fd of [0, 1, 2]) files[fd] = { host: 9, port: 8083, isForeign: true };
  files.push(from(50, 1), from(51, 1));
  connections.scanNew();
  expect(shed({ totalMax: 9 })).toEqual({ reported: [], fds: [] });
  expect(connections.size).toBe(9);
});

test("a connection that is not the edge's does not count, until its fd becomes a connection of the edge", () => {
  const { files, connections } = processWith([{ host: 1, port: 8083, isForeign: true }]);
  connections.scanNew();
  expect(connections.size).toBe(0);
  files[0] = from(1, 50_000);
  connections.scanNext(100);
  expect(connections.size).toBe(1);
});

test("a scan inspects all fds if the process can open no more files", () => {
  const { connections, state } = processWith([from(1, 1), undefined, from(1, 2)]);
  state.isFull = true;
  connections.scanNew();
  expect(connections.size).toBe(2);
});

test("the newest connections are shut down, not those with the highest fds", () => {
  const { files, connections, shed } = processWith(["no socket", "no socket", from(1, 1), from(1, 2)]);
  connections.scanNew();
  files[0] = from(1, 3);
  files[1] = from(2, 1);
  connections.scanNew();
  expect(connections.size).toBe(4);
  expect(shed({ perNetworkMax: 2 })).toEqual({ reported: ["192.0.2.1 network"], fds: [0] });
  expect(connections.size).toBe(3);
});

test("an fd that is reused by another network counts for that network, with the age of the new connection", () => {
  const { files, connections, shed } = processWith([from(1, 1), from(2, 1), from(2, 2)]);
  connections.scanNew();
  files[0] = from(2, 3);
  connections.scanNext(100);
  expect(shed({ perNetworkMax: 2 }).fds).toEqual([0]);
});

test("a closed connection does not count for the limit of its network, though no scan has noticed it", () => {
  const { files, connections, shed } = processWith([from(1, 1), from(1, 2)]);
  connections.scanNew();
  files[0] = undefined;
  files.push(from(1, 3));
  connections.scanNext(0);
  files[0] = { host: 9, port: 8083, isForeign: true };
  connections.scanNew();
  expect(connections.size).toBe(3);
  expect(shed({ perNetworkMax: 2 })).toEqual({ reported: [], fds: [] });
  expect(connections.size).toBe(2);
});

test("an fd that was reused is not shut down in place of the selected connection", () => {
  const { files, connections, shed } = processWith([from(1, 1), from(1, 2)]);
  connections.scanNew();
  files[1] = { host: 1, port: 2, isForeign: true };
  expect(shed({ totalMax: 1 }).fds).toEqual([]);
});

test("a connection is shut down once, and the next scan inspects its fd again", () => {
  const { files, connections, shed } = processWith([from(1, 1), from(1, 2)]);
  connections.scanNew();
  expect(shed({ perNetworkMax: 1 }).fds).toEqual([1]);
  connections.scanNew();
  connections.scanNext(100);
  expect(connections.size).toBe(1);
  expect(shed({ perNetworkMax: 1 }).fds).toEqual([]);
  files[1] = from(1, 3);
  connections.scanNew();
  expect(shed({ perNetworkMax: 1 }).fds).toEqual([1]);
});

test("a trusted proxy's connections count for the total limit, but for no network", () => {
  const { connections, shed } = processWith([from(99, 1), from(99, 2), from(99, 3)]);
  connections.scanNew();
  expect(shed({ perNetworkMax: 1 }).fds).toEqual([]);
  expect(shed({ totalMax: 2 })).toEqual({ reported: ["undefined total"], fds: [2] });
});

test("a pass inspects the fds in parts, and a scan for new connections does not inspect known ones", () => {
  const { connections, state } = processWith(Array.from({ length: 1000 }, (_, n) => from(1, n)));
  connections.scanNew();
  state.inspections = 0;
  expect([connections.scanNext(400), connections.scanNext(400), connections.scanNext(400)]).toEqual([false, false, true]);
  expect([connections.size, state.inspections]).toEqual([1000, 1000]);
  connections.scanNew();
  // Except for some beyond the last one.
  expect(state.inspections).toBeLessThan(1100);
});
