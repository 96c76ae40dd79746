import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenOn } from "../../../../src/core/listen-on.ts";
import { type FdTable, openFdTable } from "../../../../src/transport/linux/fd-table.ts";

/** A server in this process, with one client connected to it. */
async function connected(host: string, at = host, port = 0) {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer((socket) => accepted.resolve(socket));
  const { bound } = await listenOn(server, { host, port });
  const client = connect({ host: at, port: bound.port });
  const socket = await accepted.promise;
  return {
    bound,
    port: bound.port,
    clientPort: socket.remotePort ?? 0,
    closed: new Promise((resolve) => client.resume().once("close", resolve)),
    async close() {
      client.destroy();
      socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The connections that were accepted on the port of the table. */
function acceptedIn(fdTable: FdTable) {
  return Array.from({ length: fdTable.end() }, (_, fd) => fd).flatMap((fd) => {
    if (!fdTable.readPeer(fd)) return [];
    const { address, port } = fdTable.peer;
    return fdTable.isAccepted(fd) ? [{ fd, address, port }] : [];
  });
}

test.each([
  { host: "127.0.0.1", at: "127.0.0.1", address: "127.0.0.1" },
  { host: "0.0.0.0", at: "127.0.0.1", address: "127.0.0.1" },
  { host: "::1", at: "::1", address: "::1" },
  { host: "::", at: "::1", address: "::1" },
  { host: "::", at: "127.0.0.1", address: "::ffff:7f00:1" },
])("of a connection to $at, accepted by a listener on $host, only the accepted socket is found, with its peer", async (at) => {
  const connection = await connected(at.host, at.at);
  const fdTable = openFdTable(connection.bound);
  const found = acceptedIn(fdTable);
  expect(found.map(({ address, port }) => ({ address, port }))).toEqual([{ address: at.address, port: connection.clientPort }]);
  fdTable.shutDown(found[0]?.fd ?? -1);
  await connection.closed;
  fdTable.close();
  await connection.close();
});

test("the identity of a socket differs from that of a later one with the same fd and peer port", async () => {
  const identitiesOf = async (port: number) => {
    const connection = await connected("127.0.0.1", "127.0.0.1", port);
    const fdTable = openFdTable(connection.bound);
    const [{ fd } = expect.unreachable()] = acceptedIn(fdTable);
    const read = () => (fdTable.readIdentity(fd) ? fdTable.identity.join() : "none");
    const identities = [read(), read()];
    fdTable.close();
    await connection.close();
    return { port: connection.port, identities };
  };
  const first = await identitiesOf(0);
  const second = await identitiesOf(first.port);
  expect(first.identities[0]).toBe(first.identities[1]);
  expect(second.identities[0]).not.toBe(first.identities[0]);
});

test("connections of a listener on another address with the same port are not found", async () => {
  const edge = await connected("127.0.0.1");
  const fdTable = openFdTable(edge.bound);
  const other = await connected("127.0.0.2", "127.0.0.2", edge.port);
  expect(acceptedIn(fdTable).map(({ port }) => port)).toEqual([edge.clientPort]);
  fdTable.close();
  await Promise.all([edge.close(), other.close()]);
});

test("after a Unix domain socket, whose address is short, IP addresses are read whole", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "sallyport-socket-")), "socket");
  const inside = createServer();
  await new Promise((resolve) => inside.listen(path, () => resolve(undefined)));
  const local = connect(path);
  await new Promise((resolve) => local.once("connect", resolve));
  const { bound, clientPort, close } = await connected("127.0.0.1");
  const fdTable = openFdTable(bound);
  expect(acceptedIn(fdTable).map((found) => found.port)).toEqual([clientPort]);
  fdTable.close();
  local.destroy();
  inside.close();
  await close();
});

test("all fds below the lowest free one are open, and none is beyond the table's end", async () => {
  const { bound, close } = await connected("127.0.0.1");
  const fdTable = openFdTable(bound);
  const fds = readdirSync("/proc/self/fd").map(Number);
  const lowest = fdTable.lowestFree() ?? expect.unreachable();
  expect(fds.filter((fd) => fd < lowest).length).toBe(lowest);
  expect(fdTable.end()).toBeGreaterThan(Math.max(...fds.slice(0, -1)));
  fdTable.close();
  await close();
});

test("the table leaves no fd open, and a port without a listener is an error", async () => {
  const { bound, close } = await connected("127.0.0.1");
  openFdTable(bound).close();
  const before = readdirSync("/proc/self/fd").length;
  for (let n = 0; n < 20; n++) openFdTable(bound).close();
  await close();
  for (let n = 0; n < 20; n++) expect(() => openFdTable(bound)).toThrow(`nothing listens on 127.0.0.1:${bound.port}`);
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
});
