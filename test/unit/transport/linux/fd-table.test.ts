import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenOn } from "../../../../src/core/listen-on.ts";
import { type FdTable, openFdTable } from "../../../../src/transport/linux/fd-table.ts";

/** A server on an address, with a client's connection to it, in this process. */
async function connected(host: string, at = host, port = 0) {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer((socket) => accepted.resolve(socket));
  const {
    address: { port: open },
  } = await listenOn(server, { host, port });
  const client = connect({ host: at, port: open });
  const socket = await accepted.promise;
  return {
    port: open,
    clientPort: socket.remotePort ?? 0,
    closed: new Promise((resolve) => client.resume().once("close", resolve)),
    async close() {
      client.destroy();
      socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The files that are connections which came in on the port. */
function isAccepted(sockets: FdTable) {
  return Array.from({ length: sockets.end() }, (_, fd) => fd).flatMap((fd) => {
    if (!sockets.readPeer(fd)) return [];
    const { address, port } = sockets.peer;
    return sockets.isAccepted(fd) ? [{ fd, address, port }] : [];
  });
}

test.each([
  { host: "127.0.0.1", at: "127.0.0.1", address: "127.0.0.1" },
  { host: "0.0.0.0", at: "127.0.0.1", address: "127.0.0.1" },
  { host: "::1", at: "::1", address: "::1" },
  { host: "::", at: "::1", address: "::1" },
  { host: "::", at: "127.0.0.1", address: "::ffff:7f00:1" },
])("a connection to $at of a socket on $host is found, with its peer; that socket and the client's end are not", async (at) => {
  const connection = await connected(at.host, at.at);
  const sockets = openFdTable(connection.port);
  const found = isAccepted(sockets);
  expect(found.map(({ address, port }) => ({ address, port }))).toEqual([{ address: at.address, port: connection.clientPort }]);
  sockets.shutDown(found[0]?.fd ?? -1);
  await connection.closed;
  sockets.close();
  await connection.close();
});

test("a socket is told from every other, also from one that takes its file and its peer's port", async () => {
  const identitiesOf = async (port: number) => {
    const connection = await connected("127.0.0.1", "127.0.0.1", port);
    const sockets = openFdTable(connection.port);
    const [{ fd } = expect.unreachable()] = isAccepted(sockets);
    const read = () => (sockets.readIdentity(fd) ? sockets.identity.join() : "none");
    const identities = [read(), read()];
    sockets.close();
    await connection.close();
    return { port: connection.port, identities };
  };
  const first = await identitiesOf(0);
  const second = await identitiesOf(first.port);
  expect(first.identities[0]).toBe(first.identities[1]);
  expect(second.identities[0]).not.toBe(first.identities[0]);
});

test("another listener on the same port of another address keeps its connections to itself", async () => {
  const edge = await connected("127.0.0.1");
  const sockets = openFdTable(edge.port);
  const other = await connected("127.0.0.2", "127.0.0.2", edge.port);
  expect(isAccepted(sockets).map(({ port }) => port)).toEqual([edge.clientPort]);
  sockets.close();
  await Promise.all([edge.close(), other.close()]);
});

test("after a connection of another kind, whose address is short, each address is read whole", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "sallyport-socket-")), "socket");
  const inside = createServer();
  await new Promise((resolve) => inside.listen(path, () => resolve(undefined)));
  const local = connect(path);
  await new Promise((resolve) => local.once("connect", resolve));
  const { port, clientPort, close } = await connected("127.0.0.1");
  const sockets = openFdTable(port);
  expect(isAccepted(sockets).map((found) => found.port)).toEqual([clientPort]);
  sockets.close();
  local.destroy();
  inside.close();
  await close();
});

test("below the lowest file that is free all are open, and none is beyond the end", async () => {
  const { port, close } = await connected("127.0.0.1");
  const sockets = openFdTable(port);
  const fds = readdirSync("/proc/self/fd").map(Number);
  const lowest = sockets.lowestFree() ?? expect.unreachable();
  expect(fds.filter((fd) => fd < lowest).length).toBe(lowest);
  expect(sockets.end()).toBeGreaterThan(Math.max(...fds.slice(0, -1)));
  sockets.close();
  await close();
});

test("it closes what it opened, and refuses a port that nothing listens on", async () => {
  const { port, close } = await connected("127.0.0.1");
  openFdTable(port).close();
  const before = readdirSync("/proc/self/fd").length;
  for (let n = 0; n < 20; n++) openFdTable(port).close();
  await close();
  for (let n = 0; n < 20; n++) expect(() => openFdTable(port)).toThrow(`nothing listens on port ${port}`);
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
});
