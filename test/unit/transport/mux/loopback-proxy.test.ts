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

/** A relay to a listener of the test's, and a client of it whose first bytes have been read. */
async function relayTo(onInner: (socket: Socket) => void, stallIntervalMs?: number) {
  const relay = new LoopbackProxy(await listen(onInner), log, pipeBytes, stallIntervalMs);
  opened.push(relay);
  const port = await listen((socket) => {
    socket.once("data", (first: Buffer) => {
      socket.pause();
      relay.open(socket, first, "203.0.113.7");
    });
  });
  const open = () => {
    const client = connect(port, "127.0.0.1", () => client.write("hello"));
    client.on("error", () => {});
    return client;
  };
  return { relay, open };
}

const textOf = (client: Socket) =>
  new Promise<string>((resolve) => {
    let text = "";
    client.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    client.on("close", () => resolve(text));
  });

test("the listener behind is told who is there, from the first byte on and no longer than the connection lives", async () => {
  const told: (string | undefined)[] = [];
  let end: { address: string | undefined; port: number | undefined } = { address: undefined, port: undefined };
  const { relay, open } = await relayTo((inner) => {
    end = { address: inner.remoteAddress, port: inner.remotePort };
    inner.once("data", () => {
      told.push(relay.addressOf(end));
      inner.write("hi");
    });
  });
  const client = open();
  await until(() => told.length === 1, "the first bytes");
  expect(told).toEqual(["203.0.113.7"]);
  expect(relay.size).toBe(1);
  client.destroy();
  await until(() => relay.addressOf(end) === undefined && relay.size === 0, "the connection to be forgotten");
});

test("nobody else is anybody: not another port, nor the same port at another address", async () => {
  let inner: Socket | undefined;
  const { relay, open } = await relayTo((socket) => {
    inner = socket;
  });
  open();
  await until(() => relay.addressOf({ address: "127.0.0.1", port: inner?.remotePort }) !== undefined, "the connection");
  const port = inner?.remotePort ?? 0;
  expect(relay.addressOf({ address: "127.0.0.1", port: port + 1 })).toBeUndefined();
  expect(relay.addressOf({ address: "127.0.0.2", port })).toBeUndefined();
  expect(relay.addressOf({ address: "::1", port })).toBeUndefined();
  expect(relay.addressOf({})).toBeUndefined();
});

test("what the listener says last arrives whole, though it hangs up at once", async () => {
  const answer = "x".repeat(5_000_000);
  const { relay, open } = await relayTo((inner) => inner.once("data", () => inner.end(answer)));
  expect((await textOf(open())).length).toBe(answer.length);
  await relay.idle();
});

test("when the listener breaks off, so does the client's connection; when it is gone, it is said", async () => {
  const { relay, open } = await relayTo((inner) => inner.once("data", () => inner.resetAndDestroy()));
  expect(await textOf(open())).toBe("");
  await relay.idle();
  expect(errors).toEqual([]);
  opened[0]?.close();
  expect(await textOf(open())).toBe("");
  await relay.idle();
  expect(errors.length).toBe(1);
});

test("a client that leaves before it has been passed on leaves nothing behind", async () => {
  const { relay, open } = await relayTo(() => {});
  const clients = Array.from({ length: 20 }, open);
  for (const client of clients) client.once("connect", () => setImmediate(() => client.destroy()));
  await Promise.all(clients.map(textOf));
  await relay.idle();
  expect(relay.size).toBe(0);
});

test("what waits for a client that does not read is bounded, and the client is cut in the end", async () => {
  let sent = 0;
  const { relay, open } = await relayTo((inner) => {
    const more = () => {
      while (inner.write(new Uint8Array(65_536))) sent += 65_536;
    };
    inner.on("drain", more);
    inner.once("data", more);
  }, 100);
  const client = open();
  client.pause();
  await until(() => relay.size === 1, "the connection");
  await until(() => relay.size === 0, "the client to be cut");
  expect(sent).toBeLessThan(64 * 1024 * 1024);
  client.destroy();
});

test("a quiet client is not cut: nothing waits for it", async () => {
  const { relay, open } = await relayTo((inner) => inner.once("data", () => inner.write("hi")), 10);
  open().resume();
  await until(() => relay.size === 1, "the connection");
  await Bun.sleep(60);
  expect(relay.size).toBe(1);
});
