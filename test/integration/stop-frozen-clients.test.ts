import { describe, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { selfSigned } from "../support/certificates.ts";
import { FrozenClients } from "../support/frozen-clients.ts";
import { NO_NGINX, startNginx } from "../support/nginx.ts";
import { RawHttp1 } from "../support/raw-http.ts";
import { subscribeRequest } from "../support/subscribe-request.ts";
import { until } from "../support/until.ts";
import { openWorld, type World } from "../support/world.ts";

/** A stop waits for calls, but not for connections. A client that does not close its connection must not delay the stop. */

const DEADLINE_MS = 10_000;
const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";
const SEND_CODE = "/api/v1/public/auth/send-email-code";
const JWKS = "/.well-known/jwks.json";

interface Setup {
  readonly onePort: boolean;
  readonly secure: boolean;
}

async function openSetup({ onePort, secure }: Setup): Promise<World> {
  const { certificate: ca, certificateFile, keyFile } = await selfSigned("stop.test");
  const tls = secure ? { "tls.certificate_file": certificateFile, "tls.key_file": keyFile } : {};
  const ports = onePort ? ({ "edge.grpc": "same-port" } as const) : {};
  return openWorld({ ...tls, ...ports, "shutdown.deadline_ms": DEADLINE_MS }, { tls: { ca } });
}

describe.each([
  { name: "an edge and a gRPC port", onePort: false, secure: false },
  { name: "an edge and a gRPC port with TLS", onePort: false, secure: true },
  { name: "one port", onePort: true, secure: false },
  { name: "one port with TLS", onePort: true, secure: true },
])("$name", (setup) => {
  test("a stop is not delayed by requests whose body never arrives", async () => {
    const world = await openSetup(setup);
    const { edgeUrl, grpcUrl } = world.gateway;
    const clients = await FrozenClients.open(edgeUrl);
    const answers: Promise<string>[] = [];
    for (const path of [EXECUTE, SEND_CODE]) {
      for (const framing of ["Content-Length: 1000", "Transfer-Encoding: chunked"]) {
        const socket = await clients.silent();
        answers.push(new Promise((resolve) => socket.once("data", (head) => resolve(head.toString("latin1")))));
        socket.write(`POST ${path} HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/json\r\n${framing}\r\n\r\n`);
      }
    }
    const http2 = [edgeUrl, grpcUrl].map((url) => connectHttp2(url, { rejectUnauthorized: false }).on("error", () => {}));
    for (const connection of http2) {
      for (const [path, type] of [
        [EXECUTE, "application/json"],
        [EXECUTE, "application/grpc-web"],
        [SUBSCRIBE, "application/connect+json"],
        [SEND_CODE, "application/json"],
      ]) {
        connection.request({ ":method": "POST", ":path": path, "content-type": type }).on("error", () => {});
      }
      await new Promise((resolve) => connection.ping(resolve));
    }
    await Bun.sleep(50);
    const startedAt = performance.now();
    expect(await world.gateway.stop()).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS / 2);
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 [45]/);
    for (const connection of http2) connection.destroy();
    clients.close();
    await world.close();
  }, 60_000);

  test("a stop is not delayed by frozen connections in any state", async () => {
    const world = await openSetup(setup);
    const edge = await FrozenClients.open(world.gateway.edgeUrl);
    const grpc = await FrozenClients.open(world.gateway.grpcUrl);
    await edge.silent();
    await edge.handshakeStarted();
    await grpc.handshakeStarted();
    await edge.answered(JWKS);
    (await edge.silent()).write("POST /x HT");
    (await edge.answered(JWKS)).write("POST /x HTTP/1.1\r\nHost: ");
    await edge.answeredOverHttp2(JWKS);
    await grpc.answeredOverHttp2("/x.Y/Z");
    // Time for the last bytes of the clients to pass the proxy.
    await Bun.sleep(50);
    edge.freeze();
    grpc.freeze();
    const startedAt = performance.now();
    expect(await world.gateway.stop()).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS / 2);
    edge.close();
    grpc.close();
    await world.close();
  }, 60_000);
});

const skipped = NO_NGINX === undefined ? "" : ` (skipped: ${NO_NGINX})`;

describe.skipIf(NO_NGINX !== undefined)(`behind nginx, over TLS with keepalive${skipped}`, () => {
  test.each([{ ports: {} }, { ports: { "edge.grpc": "same-port" } as const }])(
    "every call is answered: $ports",
    async ({ ports }) => {
      const { certificate: ca, certificateFile, keyFile } = await selfSigned("nginx.test");
      const files = { "tls.certificate_file": certificateFile, "tls.key_file": keyFile };
      const world = await openWorld({ ...files, ...ports }, { tls: { ca } });
      const edgePort = new URL(world.gateway.edgeUrl).port;
      const nginx = await startNginx((port) => tlsProxy(port, edgePort));
      const device = await world.login();
      const baseUrl = `http://127.0.0.1:${nginx.port}`;
      const client = createClient(Gateway, createConnectTransport({ baseUrl, httpVersion: "1.1" }));
      const call = async () => client.executeCommand(await device.signer.sign("user.profile.get", new Uint8Array(0)));
      for (let round = 0; round < 25; round++) {
        const answers = await Promise.all(Array.from({ length: 8 }, call));
        expect(answers.map(({ envelope }) => envelope?.resultCode)).toEqual(answers.map(() => "ok"));
      }
      await nginx.stop();
      await world.close();
    },
    60_000,
  );

  test("clients that subscribe again after SHUTTING_DOWN do not delay the stop", async () => {
    const { certificate: ca, certificateFile, keyFile } = await selfSigned("nginx.test");
    for (let run = 0; run < 8; run++) {
      const world = await openWorld(
        { "tls.certificate_file": certificateFile, "tls.key_file": keyFile, "shutdown.deadline_ms": DEADLINE_MS },
        { tls: { ca } },
      );
      const edgePort = new URL(world.gateway.edgeUrl).port;
      const nginx = await startNginx((port) => tlsProxy(port, edgePort));
      const url = `http://127.0.0.1:${nginx.port}`;
      const device = await world.login();
      const resubscriptions: Promise<unknown>[] = [];
      const subscribe = async () => {
        const connection = await RawHttp1.open(url);
        connection.send(await subscribeRequest(device));
        return connection;
      };
      const connections = await Promise.all(Array.from({ length: 4 }, subscribe));
      await until(() => connections.every(({ received }) => received.includes("gateway.server_time")), "the streams to open");
      for (const [at, connection] of connections.entries()) {
        const ended = until(() => connection.received.includes("SHUTTING_DOWN"), "the end");
        resubscriptions.push(ended.then(() => Bun.sleep(at % 3)).then(async () => (await subscribe()).answer()));
      }
      const startedAt = performance.now();
      expect(await world.gateway.stop()).toBe(true);
      // Each gets an answer, if only from nginx.
      await Promise.all(resubscriptions);
      expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS / 2);
      await nginx.stop();
      await world.close();
    }
  }, 60_000);
});

function tlsProxy(port: number, edgePort: string): string {
  return `
  upstream edge { server 127.0.0.1:${edgePort}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass https://edge;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }`;
}
