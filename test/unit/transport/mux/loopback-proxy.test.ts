import { afterEach, expect, test } from "bun:test";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { LoopbackProxy } from "../../../../src/transport/mux/loopback-proxy.ts";
import { pipeBytes } from "../../../../src/transport/mux/pipes.ts";
import { until } from "../../../support/until.ts";

const errors: string[] = [];
const log = {
  debug() {},
  info() {},
  warn() {},
  error: (_: string, fields?: object) => void errors.push(JSON.stringify(fields)),
};
const opened: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
  errors.length = 0;
});

async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    onSocket(socket);
  });
  opened.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** A proxy to a listener of the test. `open` connects a client, whose first bytes are read before the proxy takes it over. */
async function proxyTo(onInner: (socket: Socket) => void, stallIntervalMs?: number) {
  const proxy = new LoopbackProxy(await listen(onInner), log, pipeBytes, stallIntervalMs);
  opened.push(proxy);
  const port = await listen((socket) => {
    socket.once("data", (first: Buffer) => {
      socket.pause();
      proxy.open(socket, first, "203.0.113.7");
    });
  });
  const open = () => {
    const client = connect(port, "127.0.0.1", () => client.write("hello"));
    client.on("error", () => {});
    return client;
  };
  return { proxy, open };
}

const textOf = (client: Socket) =>
  new Promise<string>((resolve) => {
    let text = "";
    client.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    client.on("close", () => resolve(text));
  });

test("the inner listener finds the client's address while the connection is open, and not after", async () => {
  const found: (string | undefined)[] = [];
  let end: { address: string | undefined; port: number | undefined } = { address: undefined, port: undefined };
  const { proxy, open } = await proxyTo((inner) => {
    end = { address: inner.remoteAddress, port: inner.remotePort };
    inner.once("data", () => {
      found.push(proxy.addressOf(end));
      inner.write("hi");
    });
  });
  const client = open();
  await until(() => found.length === 1, "the first bytes");
  expect(found).toEqual(["203.0.113.7"]);
  expect(proxy.size).toBe(1);
  client.destroy();
  await until(() => proxy.addressOf(end) === undefined && proxy.size === 0, "the connection to be forgotten");
});

test("a connection from another port, or from the same port at another address, has no client address", async () => {
  let inner: Socket | undefined;
  const { proxy, open } = await proxyTo((socket) => {
    inner = socket;
  });
  open();
  await until(() => proxy.addressOf({ address: "127.0.0.1", port: inner?.remotePort }) !== undefined, "the connection");
  const port = inner?.remotePort ?? 0;
  expect(proxy.addressOf({ address: "127.0.0.1", port: port + 1 })).toBeUndefined();
  expect(proxy.addressOf({ address: "127.0.0.2", port })).toBeUndefined();
  expect(proxy.addressOf({ address: "::1", port })).toBeUndefined();
  expect(proxy.addressOf({})).toBeUndefined();
});

test("a response arrives whole if the inner listener closes right after it", async () => {
  const answer = "x".repeat(5_000_000);
  const { proxy, open } = await proxyTo((inner) => inner.once("data", () => inner.end(answer)));
  expect((await textOf(open())).length).toBe(answer.length);
  await proxy.idle();
});

test("a reset by the inner listener closes the client; an inner listener that refuses connections is logged", async () => {
  const { proxy, open } = await proxyTo((inner) => inner.once("data", () => inner.resetAndDestroy()));
  expect(await textOf(open())).toBe("");
  await proxy.idle();
  expect(errors).toEqual([]);
  opened[0]?.close();
  expect(await textOf(open())).toBe("");
  await proxy.idle();
  expect(errors.length).toBe(1);
});

test("a client that disconnects before the inner connection is open is forgotten", async () => {
  const { proxy, open } = await proxyTo(() => {});
  const clients = Array.from({ length: 20 }, open);
  for (const client of clients) client.once("connect", () => setImmediate(() => client.destroy()));
  await Promise.all(clients.map(textOf));
  await proxy.idle();
  expect(proxy.size).toBe(0);
});

test("the queue of a client that does not read is bounded, and the client is closed", async () => {
  let sent = 0;
  const { proxy, open } = await proxyTo((inner) => {
    const more = () => {
      while (inner.write(new Uint8Array(65_536))) sent += 65_536;
    };
    inner.on("drain", more);
    inner.once("data", more);
  }, 100);
  const client = open();
  client.pause();
  await until(() => proxy.size === 1, "the connection");
  await until(() => proxy.size === 0, "the client to be closed");
  expect(sent).toBeLessThan(64 * 1024 * 1024);
  client.destroy();
});

test("an idle client for which nothing is queued stays open while a stalled client is closed", async () => {
  let connections = 0;
  const { proxy, open } = await proxyTo((inner) => {
    const answer = ++connections === 1 ? "hi" : new Uint8Array(64 * 1024 * 1024);
    inner.once("data", () => inner.write(answer));
  }, 10);
  const idle = open();
  await new Promise((resolve) => idle.once("data", resolve));
  const stalled = open();
  stalled.pause();
  await until(() => proxy.size === 2, "the stalled client");
  await until(() => proxy.size === 1, "the stalled client to be closed");
  expect(idle.destroyed).toBe(false);
  stalled.destroy();
});
