import { beforeAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { connect as secure } from "node:tls";
import { create, toBinary } from "@bufbuild/protobuf";
import { SubscribeEventsRequestSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame as encodeMessageFrame } from "../../../src/rpc/frame.ts";
import { openFiles, total } from "../../soak/files.ts";
import { type Certificate, selfSigned } from "../../support/certificates.ts";
import { type GatewayProcess, ROOMY_BUDGETS, startGatewayProcess } from "../../support/gateway-process.ts";
import { GoodClient } from "../../support/good-client.ts";
import { FRAME, RawH2 } from "../../support/raw-h2.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, fetchOver } from "../../support/world.ts";

/**
 * Many connections to an edge on its own port, where Bun accepts them. Connections over a limit are closed. Older connections and the calls of
 * another client are unaffected, and no file descriptor leaks.
 */

const CROWD = 60;
const FROM = "127.0.0.9";
const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";

let certificate: Certificate;
beforeAll(async () => {
  certificate = await selfSigned("gateway");
});

/** A connection with its state and the number of received bytes. */
interface Client {
  isOpen: boolean;
  bytes: number;
  destroy(): void;
}

/** An HTTP version of the edge. `stay` starts a request and leaves it open; `subscribe` opens a stream. */
interface Carrier {
  readonly name: "HTTP/1.1" | "HTTP/2";
  readonly alpn: string;
  readonly stay: (url: string, socket: Socket) => void;
  readonly subscribe: (url: string, socket: Socket, body: Uint8Array) => void;
}

const http1Head = (length: number) =>
  `POST ${SUBSCRIBE} HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: application/connect+proto\r\nContent-Length: ${length}\r\n\r\n`;
const H2_HEADERS = {
  ":method": "POST",
  ":path": SUBSCRIBE,
  ":scheme": "http",
  ":authority": "gateway.example",
  "content-type": "application/connect+proto",
};

const CARRIERS: readonly Carrier[] = [
  {
    name: "HTTP/1.1",
    alpn: "http/1.1",
    stay: (_url, socket) => void socket.write(http1Head(1000)),
    subscribe: (_url, socket, body) => void socket.write(Buffer.concat([Buffer.from(http1Head(body.length)), body])),
  },
  {
    name: "HTTP/2",
    alpn: "h2",
    stay: (url, socket) => void new RawH2(url, { socket }),
    subscribe(url, socket, body) {
      const client = new RawH2(url, { socket });
      client.headers(H2_HEADERS);
      client.data(body, { end: true });
      void client.first(FRAME.headers).catch(() => {});
    },
  },
];

function open(gateway: GatewayProcess, alpn: string | undefined, begin: (url: string, socket: Socket) => void): Client {
  const tcp = connect({ port: Number(new URL(gateway.edgeUrl).port), host: "127.0.0.1", localAddress: FROM });
  const socket = alpn
    ? secure({ socket: tcp, ca: certificate.certificate, servername: "localhost", ALPNProtocols: [alpn] })
    : tcp;
  const client = { isOpen: true, bytes: 0, destroy: () => tcp.destroy() };
  for (const each of new Set([tcp, socket])) {
    each.on("error", () => {});
    each.on("close", () => {
      client.isOpen = false;
    });
  }
  socket.on("data", (chunk) => {
    client.bytes += chunk.length;
  });
  begin(gateway.edgeUrl, socket);
  return client;
}

async function subscriptionOf(device: Device): Promise<Uint8Array> {
  const request = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
  return encodeMessageFrame(0, toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, request)));
}

/** Starts a gateway with a good client and an older stream, then opens a crowd of connections from the stream's address. */
async function crowd(settings: Readonly<Record<string, string>>, { name, alpn, stay, subscribe }: Carrier, tls: boolean) {
  const files = { "tls.certificate_file": certificate.certificateFile, "tls.key_file": certificate.keyFile };
  // Without the cache, each call needs a look-up at the backend.
  const all = { ...ROOMY_BUDGETS, "session_cache.ttl_ms": "0", ...settings, ...(tls && files) };
  const gateway = await startGatewayProcess(all);
  const trust = tls ? { ca: certificate.certificate } : undefined;
  const login = () => gateway.login(undefined, fetchOver(trust));
  const variant = VARIANTS.find((each) => each.name.includes(name)) ?? expect.unreachable();
  const [device, listening] = [await login(), await login()];
  const good = new GoodClient(variant.open(gateway.edgeUrl, trust), device);
  await until(() => good.calls > 10, "the good client's first calls");
  const filesBefore = ownFiles(gateway);
  const body = await subscriptionOf(listening);
  const older = open(gateway, tls ? alpn : undefined, (url, socket) => subscribe(url, socket, body));
  await until(() => older.bytes > 300, "the first event of the stream");
  // After so many calls, the connection watch has run several times.
  await until(() => good.calls > 200, "the good client to be served");
  const others = Array.from({ length: CROWD }, () => open(gateway, tls ? alpn : undefined, stay));
  const stillOpen = () => others.filter(({ isOpen }) => isOpen).length;
  return { gateway, good, listening, older, others, stillOpen, filesBefore };
}

/** The open file descriptors of a gateway without those to the backend and of the admin listener. */
function ownFiles({ pid, edgeUrl }: GatewayProcess): number {
  const { "to itself": _, ...files } = openFiles(pid, { clients: [Number(new URL(edgeUrl).port)], backend: [] });
  return total(files);
}

async function expectUnaffected(
  { gateway, good, listening, older, others, stillOpen, filesBefore }: Awaited<ReturnType<typeof crowd>>,
  leftMin: number,
) {
  const { calls } = good;
  await until(() => good.calls > calls + 100, "the good client to be served");
  expect(older.isOpen).toBe(true);
  expect(stillOpen()).toBeGreaterThanOrEqual(leftMin);
  const bytes = older.bytes;
  const event = { device_session_id: listening.deviceSessionId, event_type: "note.new", payload: "x".repeat(1000) };
  await fetch(`${gateway.backend.restUrl}/dev/push`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(event),
  });
  await until(() => older.bytes > bytes + 1000, "an event on the older stream");
  expect(await good.stop()).toEqual([]);
  for (const client of [older, ...others]) client.destroy();
  await until(() => ownFiles(gateway) <= filesBefore, "every file descriptor to be closed");
  expect(gateway.logged()).toContain('"msg":"connection limit exceeded"');
  expect(gateway.logged()).toContain(`"top_network":"${FROM}"`);
  expect(gateway.logged()).not.toContain('"level":"error"');
  await gateway.close();
}

const BOUNDS = [
  { key: "connections.per_network_max", max: 5, leftMin: 4 },
  // The good client has some connections, too.
  { key: "connections.total_max", max: 10, leftMin: 5 },
];

describe.each(CARRIERS)("over $name", (carrier) => {
  test.each(BOUNDS.flatMap((bound) => [false, true].map((tls) => ({ ...bound, tls }))))(
    "$key = $max, TLS: $tls: the newest connections of the largest network are closed",
    async ({ key, max, leftMin, tls }) => {
      const world = await crowd({ [key]: String(max) }, carrier, tls);
      // The older stream counts, too.
      await until(() => world.stillOpen() < max, "the connections over the limit to be closed");
      await expectUnaffected(world, leftMin);
    },
  );
});
