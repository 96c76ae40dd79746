import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Certificate, selfSigned } from "../../support/certificates.ts";
import { type GatewayProcess, ROOMY_BUDGETS, startGatewayProcess } from "../../support/gateway-process.ts";
import { GoodClient } from "../../support/good-client.ts";
import { openRawConnection, type RawConnection } from "../../support/raw-connection.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";

/** Connections that open and get no further: on every listener, with TLS and without, each is cut, and a client beside them is served. */

const OPENING_MS = 300;
/** The edge's own time for a first request is the runtime's, and nobody sets it. */
const EDGE_OPENING_MS = 12_000;
const MARGIN_MS = 3000;

const HEAD = `POST /sallyport.v1.Gateway/ExecuteCommand HTTP/1.1\r\nHost: gateway.example\r\nX-Long: ${"x".repeat(1000)}`;
/** The first bytes of a handshake that announce more (RFC 8446 4.1.2). */
const HALF_HELLO = Buffer.concat([Buffer.from("1603010200010001fc0303", "hex"), Buffer.alloc(400)]);

let certificate: Certificate;
const gateways: Record<string, GatewayProcess> = {};
beforeAll(async () => {
  certificate = await selfSigned("gateway");
  const tls = { "tls.certificate_file": certificate.certificateFile, "tls.key_file": certificate.keyFile };
  const common = { ...ROOMY_BUDGETS, "connections.opening_ms": String(OPENING_MS) };
  gateways.plain = await startGatewayProcess(common);
  gateways["plain, one port"] = await startGatewayProcess({ ...common, "edge.grpc": "same-port" });
  gateways.TLS = await startGatewayProcess({ ...common, ...tls });
  gateways["TLS, one port"] = await startGatewayProcess({ ...common, ...tls, "edge.grpc": "same-port" });
});
afterAll(async () => {
  for (const gateway of Object.values(gateways)) await gateway.close();
});

/** Each of these ways to say too little, some connections each, with a good client of a variant beside them. */
async function beside(
  key: string,
  variantName: string,
  withinMs: number,
  open: (gateway: GatewayProcess) => readonly Promise<RawConnection>[],
): Promise<void> {
  const gateway = gateways[key] ?? expect.unreachable();
  const variant = VARIANTS.find(({ name }) => name.includes(variantName)) ?? expect.unreachable();
  const tls = key.startsWith("TLS") ? { ca: certificate.certificate } : undefined;
  const device = await gateway.login(undefined, (input, init) => fetch(input, { ...init, tls }));
  const url = variant.listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl;
  const good = new GoodClient(variant.open(url, tls), device);
  const silent = await Promise.all(open(gateway));
  await until(() => silent.every(({ closed }) => closed), "the connections to be cut", withinMs + MARGIN_MS);
  expect(await good.stop()).toEqual([]);
}

const twenty = (open: () => Promise<RawConnection>) => Array.from({ length: 20 }, open);

describe.each([
  { key: "plain", variant: "gRPC proto" },
  { key: "plain, one port", variant: "HTTP/1.1" },
])("$key, $variant", ({ key, variant }) => {
  test.each([
    ["say nothing", ""],
    ["stop within HTTP/2's first words", "PRI * HTTP/2.0\r\n"],
    ["stop within what may become a PROXY header", "PROXY"],
    ["bring one letter after the other", "PRI * HTTP/2.0\r\n\r\nSM\r\n"],
  ])("connections that %s are cut", (name, bytes) => {
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
    ["say nothing", ""],
    ["stop within the handshake", HALF_HELLO],
    ["bring one byte of it after the other", HALF_HELLO],
    ["do not speak TLS", "GET / HTTP/1.1\r\nHost: gateway.example\r\n\r\n"],
  ])("connections that %s are cut", (name, bytes) => {
    const byteIntervalMs = name.includes("one byte") ? 50 : undefined;
    return beside(key, variant, OPENING_MS, (gateway) =>
      twenty(() => openRawConnection(gateway.grpcUrl, bytes, { byteIntervalMs })),
    );
  });
});

// Beside each other, for each takes its twelve seconds.
describe.concurrent("over HTTP/1.1, where it is the runtime that waits", () => {
  test.each(["plain", "plain, one port"])(
    "headers that trickle in, on %s: what is not whole after twelve seconds is cut (slowloris)",
    (key) =>
      beside(key, "HTTP/1.1", EDGE_OPENING_MS, (gateway) => [
        ...twenty(() => openRawConnection(gateway.edgeUrl, HEAD, { byteIntervalMs: 100 })),
        ...twenty(() => openRawConnection(gateway.edgeUrl, HEAD)),
      ]),
  );

  test("on the edge's own port, connections that say nothing, or little", () =>
    beside("plain", "HTTP/1.1", EDGE_OPENING_MS, (gateway) => [
      ...twenty(() => openRawConnection(gateway.edgeUrl, "")),
      ...twenty(() => openRawConnection(gateway.edgeUrl, "P")),
    ]));

  test("on the edge's own port, connections that do not get through the TLS handshake", () =>
    beside("TLS", "HTTP/1.1", EDGE_OPENING_MS, (gateway) => [
      ...twenty(() => openRawConnection(gateway.edgeUrl, "")),
      ...twenty(() => openRawConnection(gateway.edgeUrl, HALF_HELLO)),
      ...twenty(() => openRawConnection(gateway.edgeUrl, HALF_HELLO, { byteIntervalMs: 100 })),
    ]));
});

describe("a flood of connections from everywhere, in a process that may hold few files", () => {
  const OPEN_FILES_MAX = 800;
  const FLOOD = 1000;
  /** What is left over by app/open-files.ts; over HTTP/1.1 on one port, a connection takes three. */
  const FILES = OPEN_FILES_MAX / 2;

  test.each([
    { ports: "own-port", servedMax: FILES },
    { ports: "same-port", servedMax: Math.floor(FILES / 3) },
  ])(
    "with gRPC on its $ports: those over the bound are cut, who is in is served, the backend is in reach, and who comes later is let in",
    async ({ ports, servedMax }) => {
      // Each call asks the backend anew.
      const settings = { ...ROOMY_BUDGETS, "edge.grpc": ports, "session_cache.ttl_ms": "0" };
      const gateway = await startGatewayProcess(settings, OPEN_FILES_MAX);
      const variant = VARIANTS.find(({ name }) => name.includes("HTTP/1.1")) ?? expect.unreachable();
      const good = new GoodClient(variant.open(gateway.edgeUrl), await gateway.login());
      await until(() => good.calls > 0, "the good client to be in");
      const request = "POST /nothing HTTP/1.1\r\nHost: gateway.example\r\nContent-Length: 1000\r\n\r\n";
      const flood = Array.from({ length: FLOOD }, (_, n) =>
        openRawConnection(gateway.edgeUrl, request, { from: `127.0.${n >> 7}.${1 + (n & 127)}` }),
      );
      const crowd = await Promise.all(flood);
      await until(() => crowd.filter(({ closed }) => !closed).length <= servedMax, "those over the bound to be cut");
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
      await until(async () => (await fresh()) === 200, "a newcomer to be let in");
      expect(await good.stop()).toEqual([]);
      await gateway.close();
    },
  );
});
