import { expect, test } from "bun:test";
import { EdgeConnections } from "../../../../src/transport/limits/edge-connections.ts";
import { fakeProcess, from } from "./fake-fd-table.ts";

const ROOMY = { totalMax: 1000, perNetworkMax: 1000 };

function processWith(initial: Parameters<typeof fakeProcess>[0]) {
  const { files, sockets, shutDown, state } = fakeProcess(initial);
  const connections = new EdgeConnections(sockets, (address) => (address === "192.0.2.99" ? undefined : address));
  const cut = (bounds: { totalMax?: number; perNetworkMax?: number }) => {
    const told: string[] = [];
    connections.shedExcess({ ...ROOMY, ...bounds }, (network, bound) => told.push(`${network} ${bound}`));
    return { told, fds: shutDown.splice(0) };
  };
  return { files, connections, cut, state };
}

test("who is new is found at the next look, below the first file that is free and beyond all that are known; the rest, by the pass", () => {
  const { files, connections } = processWith(["no socket", from(1, 1), from(2, 1), undefined, from(3, 1), undefined]);
  connections.scanNew();
  expect(connections.size).toBe(3);
  // A crowd behind a hole: somebody left meanwhile.
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

test("a crowd behind a great hole is found by one of the next passes", () => {
  const { files, connections } = processWith([from(1, 1)]);
  connections.scanNew();
  files.push(...Array.from({ length: 500 }, () => undefined));
  files.push(...Array.from({ length: 100 }, (_, n) => from(4, n)));
  connections.scanNew();
  expect(connections.size).toBe(1);
  for (let pass = 0; pass < 8; pass++) while (!connections.scanNext(512));
  expect(connections.size).toBe(101);
});

test("after a crowd has left, a pass is as short as before", () => {
  const { files, connections, state } = processWith(Array.from({ length: 5000 }, (_, n) => from(1, n)));
  connections.scanNew();
  files.fill(undefined, 10);
  connections.scanNext(10_000);
  state.looks = 0;
  expect(connections.scanNext(10_000)).toBe(true);
  expect(state.looks).toBe(10);
  expect(connections.size).toBe(10);
});

test("whoever was cut and comes back from the same port, on the same file, is somebody new", () => {
  const { files, connections, cut } = processWith([from(1, 1), from(1, 2)]);
  connections.scanNew();
  expect(cut({ perNetworkMax: 1 }).fds).toEqual([1]);
  files[1] = from(1, 2);
  connections.scanNew();
  expect(connections.size).toBe(2);
  expect(cut({ perNetworkMax: 1 }).fds).toEqual([1]);
});

test("who has left since it was seen costs nobody else a place in all", () => {
  const { files, connections, cut } = processWith(Array.from({ length: 10 }, (_, n) => from(n, 1)));
  connections.scanNew();
  for (const fd of [0, 1, 2]) files[fd] = { host: 9, port: 8083, isOthers: true };
  files.push(from(50, 1), from(51, 1));
  connections.scanNew();
  expect(cut({ totalMax: 9 })).toEqual({ told: [], fds: [] });
  expect(connections.size).toBe(9);
});

test("connections to elsewhere do not count, until their file is one of the edge's", () => {
  const { files, connections } = processWith([{ host: 1, port: 8083, isOthers: true }]);
  connections.scanNew();
  expect(connections.size).toBe(0);
  files[0] = from(1, 50_000);
  connections.scanNext(100);
  expect(connections.size).toBe(1);
});

test("a process that may open no more files is looked at whole", () => {
  const { connections, state } = processWith([from(1, 1), undefined, from(1, 2)]);
  state.isFull = true;
  connections.scanNew();
  expect(connections.size).toBe(2);
});

test("the newest go, whatever the numbers of their files", () => {
  const { files, connections, cut } = processWith(["no socket", "no socket", from(1, 1), from(1, 2)]);
  connections.scanNew();
  files[0] = from(1, 3);
  files[1] = from(2, 1);
  connections.scanNew();
  expect(connections.size).toBe(4);
  expect(cut({ perNetworkMax: 2 })).toEqual({ told: ["192.0.2.1 network"], fds: [0] });
  expect(connections.size).toBe(3);
});

test("a file that has become another's is as new as that, and is counted for it", () => {
  const { files, connections, cut } = processWith([from(1, 1), from(2, 1), from(2, 2)]);
  connections.scanNew();
  files[0] = from(2, 3);
  connections.scanNext(100);
  expect(cut({ perNetworkMax: 2 }).fds).toEqual([0]);
});

test("of a network near its bound, who has left since it was seen does not cost the others", () => {
  const { files, connections, cut } = processWith([from(1, 1), from(1, 2)]);
  connections.scanNew();
  files[0] = undefined;
  files.push(from(1, 3));
  connections.scanNext(0);
  files[0] = { host: 9, port: 8083, isOthers: true };
  connections.scanNew();
  expect(connections.size).toBe(3);
  expect(cut({ perNetworkMax: 2 })).toEqual({ told: [], fds: [] });
  expect(connections.size).toBe(2);
});

test("a file that is no longer the connection that is to be cut is left alone", () => {
  const { files, connections, cut } = processWith([from(1, 1), from(1, 2)]);
  connections.scanNew();
  files[1] = { host: 1, port: 2, isOthers: true };
  expect(cut({ totalMax: 1 }).fds).toEqual([]);
});

test("what was cut is cut once; who takes its file is looked at at once", () => {
  const { files, connections, cut } = processWith([from(1, 1), from(1, 2)]);
  connections.scanNew();
  expect(cut({ perNetworkMax: 1 }).fds).toEqual([1]);
  connections.scanNew();
  connections.scanNext(100);
  expect(connections.size).toBe(1);
  expect(cut({ perNetworkMax: 1 }).fds).toEqual([]);
  files[1] = from(1, 3);
  connections.scanNew();
  expect(cut({ perNetworkMax: 1 }).fds).toEqual([1]);
});

test("whom a trusted proxy brings is not counted for a network, but in all", () => {
  const { connections, cut } = processWith([from(99, 1), from(99, 2), from(99, 3)]);
  connections.scanNew();
  expect(cut({ perNetworkMax: 1 }).fds).toEqual([]);
  expect(cut({ totalMax: 2 })).toEqual({ told: ["undefined total"], fds: [2] });
});

test("a pass takes one part of the files after the other, and a look at what is new costs nothing for what is known", () => {
  const { connections, state } = processWith(Array.from({ length: 1000 }, (_, n) => from(1, n)));
  connections.scanNew();
  state.looks = 0;
  expect([connections.scanNext(400), connections.scanNext(400), connections.scanNext(400)]).toEqual([false, false, true]);
  expect([connections.size, state.looks]).toEqual([1000, 1000]);
  connections.scanNew();
  // But for some beyond the last.
  expect(state.looks).toBeLessThan(1100);
});
