import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { ListenError } from "../../src/core/listen.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { type Certificate, selfSigned } from "../support/certificates.ts";
import { openLoadBalancer } from "../support/load-balancer.ts";
import { type EchoMux, type EchoMuxOptions, openEchoMux } from "../support/mux-listener.ts";
import { proxyV1, proxyV2 } from "../support/proxy-header.ts";
import { FRAME, RawH2 } from "../support/raw-h2.ts";
import { http1, http2 } from "../support/raw-http.ts";
import { until } from "../support/until.ts";

let server: Certificate;
let renewed: Certificate;
beforeAll(async () => {
  [server, renewed] = await Promise.all([selfSigned("edge.example"), selfSigned("renewed.example")]);
});

const identity = ({ certificate, key }: Certificate, clientAuthority?: string) => ({
  certificate,
  privateKey: key,
  clientAuthority,
});

/** Clients of the shared port, by protocol. */
const clients: readonly { name: string; open: (baseUrl: string) => Transport }[] = [
  { name: "Connect over HTTP/1.1", open: (baseUrl) => createConnectTransport({ ...trusting(baseUrl), httpVersion: "1.1" }) },
  { name: "gRPC-Web over HTTP/1.1", open: (baseUrl) => createGrpcWebTransport({ ...trusting(baseUrl), httpVersion: "1.1" }) },
  { name: "Connect over HTTP/2", open: (baseUrl) => createConnectTransport({ ...trusting(baseUrl), httpVersion: "2" }) },
  { name: "gRPC", open: (baseUrl) => createGrpcTransport(trusting(baseUrl)) },
];

const trusting = (baseUrl: string) => ({ baseUrl, nodeOptions: { ca: [server.certificate, renewed.certificate] } });

const ports = [
  { name: "plain", options: (): EchoMuxOptions => ({}), unfinished: ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n"] },
  { name: "TLS", options: (): EchoMuxOptions => ({ tls: identity(server) }), unfinished: ["", "\x16\x03\x01"] },
] as const;

/** The peer address that the handler saw. */
async function callerOf(transport: Transport): Promise<string | undefined> {
  return (await createClient(Gateway, transport).executeCommand({})).envelope?.keyId;
}

/** Opens a stream and reads its first message. */
async function subscribe(transport: Transport) {
  const leave = new AbortController();
  const stream = createClient(Gateway, transport).subscribeEvents({}, { signal: leave.signal })[Symbol.asyncIterator]();
  const first = await stream.next();
  return { first: first.done ? undefined : first.value, next: () => stream.next(), leave: () => leave.abort() };
}

/** `undefined` if it throws, as for a file that no longer exists. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

const openFiles = () => readdirSync("/proc/self/fd").length;

/** Sends bytes on a new connection. Resolves with what was received, and with whether the server closed the connection. */
function raw(
  url: string,
  bytes: Uint8Array | string,
  from: { localAddress?: string; localPort?: number } = {},
): Promise<{ received: string; closed: boolean }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let received = "";
    const socket: Socket = connect({ host: hostname, port: Number(port), ...from }, () => void socket.write(bytes));
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      if (received.includes("HTTP/1.1")) {
        socket.destroy();
        resolve({ received, closed: false });
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve({ received, closed: true }));
  });
}

/** The mux's connection to the inner edge, from /proc: established, to a listening port of this process other than `port`. */
function innerConnectionOf(port: number): { port: number; edgePort: number } {
  const own = new Set(readdirSync("/proc/self/fd").map((fd) => attempt(() => readlinkSync(`/proc/self/fd/${fd}`))));
  const rows = readFileSync("/proc/self/net/tcp", "utf8").split("\n").slice(1);
  const sockets = rows.map((row) => row.trim().split(/\s+/)).filter((row) => own.has(`socket:[${row[9]}]`));
  const portOf = (end = "") => Number.parseInt(end.split(":")[1] ?? "", 16);
  const listening = sockets.filter((row) => row[3] === "0A").map((row) => portOf(row[1]));
  const found = sockets.find((row) => row[3] === "01" && listening.includes(portOf(row[2])) && portOf(row[2]) !== port);
  return { port: portOf(found?.[1]), edgePort: portOf(found?.[2]) };
}

const GET = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: edge.example\r\n\r\n";

describe.each(ports)("the mux listener on a $name port", ({ options }) => {
  let mux: EchoMux;
  beforeAll(async () => {
    mux = await openEchoMux(options());
  });
  afterAll(() => mux.close());

  test("serves all protocols concurrently, with bodies of 3 MB in both directions", async () => {
    const payloadBytes = crypto.getRandomValues(new Uint8Array(60_000)).reduce((all, byte, at) => {
      all[at * 50] = byte;
      return all;
    }, new Uint8Array(3_000_000));
    const answers = await Promise.all(
      clients.map(({ open }) => createClient(Gateway, open(mux.listener.url)).executeCommand({ payloadBytes })),
    );
    for (const answer of answers) {
      expect(answer.envelope?.keyId).toBe("127.0.0.1");
      expect(Buffer.compare(answer.payloadBytes, payloadBytes)).toBe(0);
    }
  });

  test.each(clients)("$name: a stream stays open until the client cancels it", async ({ open }) => {
    const stream = await subscribe(open(mux.listener.url));
    expect(stream.first?.envelope?.keyId).toBe("127.0.0.1");
    const [served] = mux.streams;
    served?.send({ envelope: { keyId: "second" } });
    expect((await stream.next()).value?.envelope?.keyId).toBe("second");
    stream.leave();
    await until(() => mux.streams.size === 0, "the stream to end");
  });

  test("serves the key set and cross-origin calls over HTTP/2", async () => {
    const connection = connectHttp2(mux.listener.url, { ca: server.certificate });
    const send = (headers: Record<string, string>, body?: Uint8Array) =>
      new Promise<{ status: number; allowed: string; body: Buffer }>((resolve, reject) => {
        const stream = connection.request(headers);
        const chunks: Uint8Array[] = [];
        let answer = { status: 0, allowed: "" };
        stream.on("response", (fields) => {
          answer = { status: Number(fields[":status"]), allowed: String(fields["access-control-allow-origin"]) };
        });
        stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
        stream.on("end", () => resolve({ ...answer, body: Buffer.concat(chunks) }));
        stream.on("error", reject);
        stream.end(body);
      });
    const origin = "https://app.example";
    const path = "/sallyport.v1.Gateway/ExecuteCommand";
    const json = { ":method": "POST", ":path": path, "content-type": "application/json", origin };
    try {
      const keys = await send({ ":path": "/.well-known/jwks.json" });
      expect([keys.status, keys.body.toString()]).toEqual([200, '{"keys":[]}']);
      const preflight = { ":method": "OPTIONS", ":path": path, origin, "access-control-request-method": "POST" };
      expect(await send(preflight)).toMatchObject({ status: 204, allowed: origin });
      const call = await send(json, Buffer.from("{}"));
      expect(call).toMatchObject({ status: 200, allowed: origin });
      expect(JSON.parse(call.body.toString()).envelope.keyId).toBe("127.0.0.1");
      expect((await send({ ...json, ":path": "/nothing" }, Buffer.from("{}"))).status).toBe(404);
      // The body limit holds, though the announced length is smaller.
      const lying = await send({ ...json, "content-length": "2" }, new Uint8Array(17 * 1024 * 1024)).catch(() => undefined);
      expect(lying?.status ?? 429).toBe(429);
    } finally {
      connection.destroy();
    }
  });

  test("a browser's stream over HTTP/2 delivers each message immediately, and ends when the browser resets it", async () => {
    const connection = connectHttp2(mux.listener.url, { ca: server.certificate });
    const stream = connection.request({
      ":method": "POST",
      ":path": "/sallyport.v1.Gateway/SubscribeEvents",
      "content-type": "application/grpc-web+proto",
      origin: "https://app.example",
    });
    stream.on("error", () => {});
    stream.end(new Uint8Array(5));
    let received = 0;
    stream.on("data", (chunk: Uint8Array) => {
      received += chunk.byteLength;
    });
    await until(() => received > 0, "the first message");
    stream.close(8);
    await until(() => mux.streams.size === 0, "the stream to end");
    connection.destroy();
  });

  test("500 short connections, served or not, leave no fd and no stream open", async () => {
    const { url } = mux.listener;
    const serveOne = (waits: boolean) =>
      new Promise<void>((resolve) => {
        const connection = connectHttp2(url, { ca: server.certificate });
        connection.on("error", () => {});
        connection.on("close", () => resolve());
        const stream = connection.request({ ":path": "/.well-known/jwks.json" });
        stream.on("error", () => {});
        stream.on("response", () => connection.destroy());
        if (!waits) connection.on("connect", () => connection.destroy());
      });
    const round = async (at: number) => {
      if (at % 5 === 0) return serveOne(at % 2 === 0);
      const bytes = [GET, "", "PRI * HT", "\x16\x03\x01\x02"][at % 4] ?? "";
      await new Promise<void>((resolve) => {
        const { hostname, port } = new URL(url);
        const socket: Socket = connect({ host: hostname, port: Number(port) }, () => {
          socket.write(bytes);
          if (at % 3 === 0) socket.end();
          else if (at % 3 === 1) setImmediate(() => socket.resetAndDestroy());
          else setImmediate(() => socket.destroy());
        });
        socket.on("error", () => {});
        socket.resume();
        socket.on("close", () => resolve());
      });
    };
    await round(1);
    const before = openFiles();
    for (let at = 0; at < 500; at += 25) await Promise.all(Array.from({ length: 25 }, (_, n) => round(at + n)));
    await until(() => openFiles() <= before, "all fds to be closed");
    expect(mux.streams.size).toBe(0);
    expect(await callerOf(clients[0]?.open(url) ?? expect.unreachable())).toBe("127.0.0.1");
  });

  test.each([
    "\0\0\0\0\0\0\0\0",
    "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage, garbage, garbage",
    "HELO\r\n\r\n",
  ])("invalid bytes (%j) close their own connection only", async (bytes) => {
    const { received, closed } = await raw(mux.listener.url, bytes);
    if (!closed) expect(received).toStartWith("HTTP/1.1 400");
    expect(await callerOf(clients[3]?.open(mux.listener.url) ?? expect.unreachable())).toBe("127.0.0.1");
  });
});

describe.each(ports)("behind a load balancer that sends PROXY headers, on a $name port", ({ options }) => {
  let mux: EchoMux;
  beforeAll(async () => {
    mux = await openEchoMux({ ...options(), trustedProxies: ["127.0.0.1", "10.0.0.0/8"] });
  });
  afterAll(() => mux.close());

  const through = async (header: Uint8Array, open: (url: string) => Transport) => {
    const balancer = await openLoadBalancer(mux.listener.url, { header });
    try {
      return await callerOf(open(balancer.url));
    } finally {
      balancer.close();
    }
  };

  test.each(clients)("$name: the peer is the address of the PROXY header", async ({ open }) => {
    expect(await through(proxyV1("203.0.113.7"), open)).toBe("203.0.113.7");
    expect(await through(proxyV2("2001:db8:0:0:0:0:0:7", { tlvs: "\x04\0\x03abc" }), open)).toBe("2001:db8::7");
  });

  test.each(clients)("$name: without a header, or with a LOCAL one, the peer is the load balancer", async ({ open }) => {
    expect(await through(proxyV2("203.0.113.7", { command: 0x20 }), open)).toBe("127.0.0.1");
    expect(await callerOf(open(mux.listener.url))).toBe("127.0.0.1");
  });

  test("a malformed header closes the connection", async () => {
    const { closed } = await raw(mux.listener.url, `PROXY TCP4 203.0.113.7\r\n${GET}`);
    expect(closed).toBe(true);
    expect(mux.warnings.at(-1)).toContain("ProxyProtocolError");
  });

  test("the header and the bytes after it may arrive in any pieces", async () => {
    for (const { open } of clients) {
      const balancer = await openLoadBalancer(mux.listener.url, { header: proxyV1("203.0.113.7"), singleBytes: 90 });
      expect(await callerOf(open(balancer.url))).toBe("203.0.113.7");
      balancer.close();
    }
  });
});

describe("a spoofed address", () => {
  const json = { path: "/sallyport.v1.Gateway/ExecuteCommand", headers: { "content-type": "application/json" }, body: "{}" };
  const keyId = (body: Buffer | undefined) => JSON.parse(body?.toString() ?? "{}").envelope?.keyId;

  test.each(ports)("in a PROXY header from an untrusted peer closes the connection, on a $name port", async ({ options }) => {
    const mux = await openEchoMux({ ...options(), trustedProxies: ["10.0.0.1"] });
    for (const header of [proxyV1("10.0.0.1"), proxyV2("10.0.0.1"), proxyV2("10.0.0.1", { command: 0x20 })]) {
      const { received, closed } = await raw(mux.listener.url, Buffer.concat([header, Buffer.from(GET)]));
      expect({ received, closed }).toEqual({ received: "", closed: true });
    }
    expect(mux.warnings.length).toBe(3);
    await mux.close();
  });

  test("in a PROXY header closes the connection if no proxy is trusted", async () => {
    const mux = await openEchoMux();
    expect(await raw(mux.listener.url, proxyV1("203.0.113.7") + GET)).toEqual({ received: "", closed: true });
    await mux.close();
  });

  test("in X-Forwarded-For is ignored if no proxy is trusted, over HTTP/1.1 and HTTP/2", async () => {
    const mux = await openEchoMux();
    const request = { ...json, headers: { ...json.headers, "x-forwarded-for": "203.0.113.7" } };
    for (const send of [http1, http2]) expect(keyId((await send(mux.listener.url, request))?.body)).toBe("127.0.0.1");
    await mux.close();
  });

  test("in X-Forwarded-For is used only if the PROXY header names a trusted proxy", async () => {
    const mux = await openEchoMux({ trustedProxies: ["127.0.0.1", "10.0.0.0/8"] });
    const request = { ...json, headers: { ...json.headers, "x-forwarded-for": "198.51.100.1" } };
    const expected = { "203.0.113.7": "203.0.113.7", "10.0.0.2": "198.51.100.1" };
    for (const [source, caller] of Object.entries(expected)) {
      const balancer = await openLoadBalancer(mux.listener.url, { header: proxyV1(source) });
      for (const send of [http1, http2]) expect(keyId((await send(balancer.url, request))?.body)).toBe(caller);
      balancer.close();
    }
    await mux.close();
  });

  test.skipIf(process.platform !== "linux")(
    "by a connection to the inner edge that bypasses the mux is answered with 421",
    async () => {
      const mux = await openEchoMux();
      const client = connect(mux.listener.address.port, "127.0.0.1", () => client.write(GET));
      await new Promise((resolve) => client.once("data", resolve));
      const inner = innerConnectionOf(mux.listener.address.port);
      const edgeUrl = `http://127.0.0.1:${inner.edgePort}`;
      expect((await http1(edgeUrl, json))?.status).toBe(421);
      expect((await http2(edgeUrl, json))?.status).toBe(421);
      // From another loopback address, the local port of a connection of the mux can be used.
      const call = `POST ${json.path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
      const { received } = await raw(edgeUrl, call, { localAddress: "127.0.0.2", localPort: inner.port });
      expect(received).toStartWith("HTTP/1.1 421");
      client.destroy();
      await mux.close();
    },
  );

  test("concurrent connections get the addresses of their own clients", async () => {
    const mux = await openEchoMux();
    const body = `POST ${json.path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
    const sources = Array.from({ length: 20 }, (_, at) => `127.0.0.${at + 10}`);
    const answers = await Promise.all(sources.map((source) => raw(mux.listener.url, body, { localAddress: source })));
    for (const [at, { received }] of answers.entries()) expect(received).toContain(`"${sources[at]}"`);
    await mux.close();
  });
});

describe("a connection without a known protocol", () => {
  test.each(ports)("is closed after the timeout on a $name port; streams stay open", async ({ options, unfinished }) => {
    const mux = await openEchoMux({ ...options(), limits: { firstBytesTimeoutMs: 300 } });
    const streams = await Promise.all(clients.map(({ open }) => subscribe(open(mux.listener.url))));
    const silent = await Promise.all(unfinished.map((bytes) => raw(mux.listener.url, bytes)));
    for (const { received, closed } of silent) expect({ received, closed }).toEqual({ received: "", closed: true });
    for (const served of mux.streams) served.send({ envelope: { keyId: "still there" } });
    for (const stream of streams) expect((await stream.next()).value?.envelope?.keyId).toBe("still there");
    for (const stream of streams) stream.leave();
    await mux.close();
  });

  test("is closed after the timeout that follows a TLS handshake", async () => {
    const mux = await openEchoMux({ tls: identity(server), limits: { firstBytesTimeoutMs: 100 } });
    const { port } = new URL(mux.listener.url);
    const socket = connectTls({ port: Number(port), host: "127.0.0.1", ca: server.certificate, servername: "localhost" });
    socket.on("error", () => {});
    await new Promise((resolve) => socket.resume().on("close", resolve));
    await mux.close();
  });
});

describe("a client that sends single bytes", () => {
  test.each(clients)("is served: $name", async ({ open }) => {
    const mux = await openEchoMux();
    const balancer = await openLoadBalancer(mux.listener.url, { singleBytes: 80 });
    expect(await callerOf(open(balancer.url))).toBe("127.0.0.1");
    balancer.close();
    await mux.close();
  });
});

describe("TLS on the mux listener", () => {
  test.each([{ trustedProxies: [] }, { trustedProxies: ["127.0.0.1"] }])(
    "requires a client certificate if a client authority is configured, with trusted proxies $trustedProxies",
    async ({ trustedProxies }) => {
      const device = await selfSigned("device.example");
      const mux = await openEchoMux({ tls: identity(server, device.certificate), trustedProxies });
      const { url: baseUrl } = mux.listener;
      const ca = server.certificate;
      const outcomes = async (nodeOptions: object) => {
        const transports = [
          createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
          createGrpcTransport({ baseUrl, nodeOptions }),
        ];
        return Promise.all(transports.map((transport) => callerOf(transport).catch(() => "refused")));
      };
      expect(await outcomes({ ca })).toEqual(["refused", "refused"]);
      expect(await outcomes({ ca, cert: renewed.certificate, key: renewed.key })).toEqual(["refused", "refused"]);
      expect(await outcomes({ ca, cert: device.certificate, key: device.key })).toEqual(["127.0.0.1", "127.0.0.1"]);
      await mux.close();
    },
  );

  test("presents a renewed certificate to new connections, and keeps open ones", async () => {
    const mux = await openEchoMux({ tls: identity(server) });
    const streams = await Promise.all(clients.map(({ open }) => subscribe(open(mux.listener.url))));
    mux.listener.renewTls(identity(renewed));
    const { port } = new URL(mux.listener.url);
    const name = await new Promise((resolve) => {
      const socket = connectTls(
        { port: Number(port), host: "127.0.0.1", ca: renewed.certificate, servername: "localhost" },
        () => {
          resolve(socket.getPeerCertificate().subject.CN);
          socket.destroy();
        },
      );
    });
    expect(name).toBe("renewed.example");
    for (const served of mux.streams) served.send({ envelope: { keyId: "still there" } });
    for (const stream of streams) expect((await stream.next()).value?.envelope?.keyId).toBe("still there");
    for (const stream of streams) stream.leave();
    await mux.close();
  });
});

describe("a drain", () => {
  test.each(ports)("waits for calls in flight, and accepts no new ones, on a $name port", async ({ options }) => {
    const gate = Promise.withResolvers<void>();
    const mux = await openEchoMux({ ...options(), gate: gate.promise });
    const { url } = mux.listener;
    const payloadBytes = new Uint8Array(4_000_000).fill(7);
    const calls = clients.map(({ open }) => createClient(Gateway, open(url)).executeCommand({ payloadBytes }));
    const silent = raw(url, "");
    // An answered client keeps its connection open, idle.
    await http1(url.replace("https", "http"), { path: "/" }).catch(() => {});
    await until(() => mux.pending() === clients.length, "the calls to be under way");
    let drained = false;
    const draining = mux.listener.drain().then(() => {
      drained = true;
    });
    expect((await silent).closed).toBe(true);
    expect(await callerOf(clients[0]?.open(url) ?? expect.unreachable()).catch(() => "refused")).toBe("refused");
    expect(drained).toBe(false);
    gate.resolve();
    for (const answer of await Promise.all(calls)) expect(answer.payloadBytes.byteLength).toBe(payloadBytes.byteLength);
    await draining;
    await mux.close();
  });

  test("does not wait for streams that a client opens after the GOAWAY", async () => {
    const gate = Promise.withResolvers<void>();
    const mux = await openEchoMux({ gate: gate.promise });
    const client = new RawH2(mux.listener.url);
    const fields = { ":method": "POST", ":path": "/sallyport.v1.Gateway/ExecuteCommand", ":scheme": "http", ":authority": "x" };
    const call = { ...fields, "content-type": "application/proto" };
    client.headers(call, { end: true });
    await until(() => mux.pending() === 1, "the call to be under way");
    const draining = mux.listener.drain();
    await client.first(FRAME.goAway);
    client.headers(call, { end: true, stream: 3 });
    gate.resolve();
    await client.first(FRAME.headers);
    await draining;
    await mux.close();
  });

  test("is not needed: close() ends open streams and connections", async () => {
    const before = openFiles();
    const mux = await openEchoMux();
    const streams = await Promise.all(clients.map(({ open }) => subscribe(open(mux.listener.url))));
    await mux.close();
    for (const stream of streams) expect(await stream.next().catch(() => "cut")).toBe("cut");
    expect(mux.streams.size).toBe(0);
    await until(() => openFiles() <= before, "all fds to be closed");
  });
});

test("a port in use is a ListenError, and no fd stays open", async () => {
  const mux = await openEchoMux();
  const before = openFiles();
  const { port } = mux.listener.address;
  expect(await openEchoMux({ port }).catch((error) => error)).toBeInstanceOf(ListenError);
  await until(() => openFiles() <= before, "all fds to be closed");
  await mux.close();
});
