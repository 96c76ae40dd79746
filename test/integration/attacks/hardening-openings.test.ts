import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Certificate, selfSigned } from "../../support/certificates.ts";
import { type GatewayProcess, ROOMY_BUDGETS, startGatewayProcess } from "../../support/gateway-process.ts";
import { GoodClient } from "../../support/good-client.ts";
import { openRawConnection, type RawConnection } from "../../support/raw-connection.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";
import { fetchOver } from "../../support/world.ts";

/** Connections that send no complete request, on every listener, with and without TLS. Each is closed, and another client is served. */

const OPENING_MS = 300;
/** The time for a first request on the edge's own port. It is fixed by Bun. */
const EDGE_OPENING_MS = 12_000;
const MARGIN_MS = 3000;

const HEAD = `POST /sallyport.v1.Gateway/ExecuteCommand HTTP/1.1\r\nHost: gateway.example\r\nX-Long: ${"x".repeat(1000)}`;
/** An incomplete ClientHello (RFC 8446 4.1.2). */
const HALF_HELLO = Buffer.concat([Buffer.from("1603010200010001fc0303", "hex"), Buffer.alloc(400)]);

let certificate: Certificate;
const gateways: Record<string, GatewayProcess> = {};
beforeAll(async () => {
  certificate = await selfSigned("gateway");
  const tls = { "tls.certificate_file": certificate.certificateFile, "tls.key_file": certificate.keyFile };
  const common = { ...ROOMY_BUDGETS, "connections.opening_ms": String(OPENING_MS) };
  gateways["plain"] = await startGatewayProcess(common);
  gateways["plain, one port"] = await startGatewayProcess({ ...common, "edge.grpc": "same-port" });
  gateways["TLS"] = await startGatewayProcess({ ...common, ...tls });
  gateways["TLS, one port"] = await startGatewayProcess({ ...common, ...tls, "edge.grpc": "same-port" });
});
afterAll(async () => {
  for (const gateway of Object.values(gateways)) await gateway.close();
});

/** Opens the connections while a good client sends commands, and expects every connection to be closed in time. */
async function beside(
  key: string,
  variantName: string,
  withinMs: number,
  open: (gateway: GatewayProcess) => readonly Promise<RawConnection>[],
): Promise<void> {
  const gateway = gateways[key] ?? expect.unreachable();
  const variant = VARIANTS.find(({ name }) => name.includes(variantName)) ?? expect.unreachable();
  const tls = key.startsWith("TLS") ? { ca: certificate.certificate } : undefined;
  const device = await gateway.login(undefined, fetchOver(tls));
  const url = variant.listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl;
  const good = new GoodClient(variant.open(url, tls), device);
  const silent = await Promise.all(open(gateway));
  await until(() => silent.every(({ closed }) => closed), "the connections to be closed", withinMs + MARGIN_MS);
  expect(await good.stop()).toEqual([]);
}

const twenty = (open: () => Promise<RawConnection>) => Array.from({ length: 20 }, open);

describe.each([
  { key: "plain", variant: "gRPC proto" },
  { key: "plain, one port", variant: "HTTP/1.1" },
])("$key, $variant", ({ key, variant }) => {
  test.each([
    ["send nothing", ""],
    ["stop within the HTTP/2 preface", "PRI * HTTP/2.0\r\n"],
    ["stop within a possible PROXY header", "PROXY"],
    ["send one letter at a time", "PRI * HTTP/2.0\r\n\r\nSM\r\n"],
  ])("connections that %s are closed", (name, bytes) => {
    const byteIntervalMs = name.includes("one letter") ? 50 : undefined;
    return beside(key, variant, OPENING_MS, (gateway) =>
      twenty(() => openRawConnection(gateway.grpcUrl, bytes, { byteIntervalMs })),
    );
  });
});

describe.each([
  { key: "TLS", variant: "gRPC proto" },
  { key: "TLS, one port", variant: "HTTP/1.1" },
])("$key, $variant", ({ key, variant }) => {
  test.each([
    ["send nothing", ""],
    ["stop within the TLS handshake", HALF_HELLO],
    ["send the handshake one byte at a time", HALF_HELLO],
    ["send no TLS", "GET / HTTP/1.1\r\nHost: gateway.example\r\n\r\n"],
  ])("connections that %s are closed", (name, bytes) => {
    const byteIntervalMs = name.includes("one byte") ? 50 : undefined;
    return beside(key, variant, OPENING_MS, (gateway) =>
      twenty(() => openRawConnection(gateway.grpcUrl, bytes, { byteIntervalMs })),
    );
  });
});

// Concurrent, because each takes twelve seconds.
describe.concurrent("over HTTP/1.1, with the timeout of Bun,", () => {
  test.each(["plain", "plain, one port"])(
    "connections with trickling headers, on %s, are closed after twelve seconds (slowloris)",
    (key) =>
      beside(key, "HTTP/1.1", EDGE_OPENING_MS, (gateway) => [
        ...twenty(() => openRawConnection(gateway.edgeUrl, HEAD, { byteIntervalMs: 100 })),
        ...twenty(() => openRawConnection(gateway.edgeUrl, HEAD)),
      ]),
  );

  test("connections that send nothing or one byte to the edge's own port are closed", () =>
    beside("plain", "HTTP/1.1", EDGE_OPENING_MS, (gateway) => [
      ...twenty(() => openRawConnection(gateway.edgeUrl, "")),
      ...twenty(() => openRawConnection(gateway.edgeUrl, "P")),
    ]));

  test("connections without a complete TLS handshake on the edge's own port are closed", () =>
    beside("TLS", "HTTP/1.1", EDGE_OPENING_MS, (gateway) => [
      ...twenty(() => openRawConnection(gateway.edgeUrl, "")),
      ...twenty(() => openRawConnection(gateway.edgeUrl, HALF_HELLO)),
      ...twenty(() => openRawConnection(gateway.edgeUrl, HALF_HELLO, { byteIntervalMs: 100 })),
    ]));
});

describe("a flood of connections from many addresses, with a low RLIMIT_NOFILE", () => {
  const OPEN_FILES_MAX = 800;
  const FLOOD = 1000;
  /** The descriptors that app/open-files.ts leaves for connections. Over HTTP/1.1 on one port, a connection uses three. */
  const FILES = OPEN_FILES_MAX / 2;

  test.each([
    { ports: "own-port", servedMax: FILES },
    { ports: "same-port", servedMax: Math.floor(FILES / 3) },
  ])(
    "with edge.grpc = $ports: connections over the limit are closed, open and new ones are served, and the backend is reachable",
    async ({ ports, servedMax }) => {
      // Without the cache, each call needs a look-up at the backend.
      const settings = { ...ROOMY_BUDGETS, "edge.grpc": ports, "session_cache.ttl_ms": "0" };
      const gateway = await startGatewayProcess(settings, OPEN_FILES_MAX);
      const variant = VARIANTS.find(({ name }) => name.includes("HTTP/1.1")) ?? expect.unreachable();
      const good = new GoodClient(variant.open(gateway.edgeUrl), await gateway.login());
      await until(() => good.calls > 0, "the good client's first call");
      const request = "POST /nothing HTTP/1.1\r\nHost: gateway.example\r\nContent-Length: 1000\r\n\r\n";
      const flood = Array.from({ length: FLOOD }, (_, n) =>
        openRawConnection(gateway.edgeUrl, request, { from: `127.0.${n >> 7}.${1 + (n & 127)}` }),
      );
      const crowd = await Promise.all(flood);
      await until(
        () => crowd.filter(({ closed }) => !closed).length <= servedMax,
        "the connections over the limit to be closed",
      );
      const calls = good.calls;
      await until(() => good.calls > calls + 20, "the good client to be served");
      expect(gateway.logged()).not.toContain('"level":"error"');
      for (const { destroy } of crowd) destroy();
      const keysUrl = `${gateway.edgeUrl}/.well-known/jwks.json`;
      const fresh = () =>
        fetch(keysUrl, { keepalive: false }).then(
          ({ status }) => status,
          () => 0,
        );
      await until(async () => (await fresh()) === 200, "a new connection to be served");
      expect(await good.stop()).toEqual([]);
      await gateway.close();
    },
  );
});
