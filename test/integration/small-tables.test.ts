import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { type Certificate, selfSigned } from "../support/certificates.ts";
import { NO_NGINX, startNginx } from "../support/nginx.ts";
import { FRAME, RawH2 } from "../support/raw-h2.ts";
import { until } from "../support/until.ts";
import { openWorld, type World } from "../support/world.ts";

/** HTTP/2 clients with a small HPACK table or none (SETTINGS_HEADER_TABLE_SIZE) can decode every answer. */

const CALLS = 8;
const EMPTY = new Uint8Array(0);
const HEALTH = "/grpc.health.v1.Health/Check";

async function open(onePort: boolean, certificate?: Certificate): Promise<World> {
  return openWorld(
    {
      "edge.grpc": onePort ? "same-port" : "own-port",
      ...(certificate && {
        "tls.certificate_file": certificate.certificateFile,
        "tls.key_file": certificate.keyFile,
      }),
    },
    { tls: certificate && { ca: certificate.certificate } },
  );
}

const LISTENERS = [
  { name: "the gRPC port", onePort: false, secure: false },
  { name: "the one port", onePort: true, secure: false },
  { name: "the gRPC port with TLS", onePort: false, secure: true },
  { name: "the one port with TLS", onePort: true, secure: true },
];

const withoutNginx = NO_NGINX === undefined ? "" : ` (skipped: ${NO_NGINX})`;

describe.skipIf(NO_NGINX !== undefined)(`nginx in front of gRPC, with keepalive${withoutNginx}`, () => {
  test.each(LISTENERS)("$name: every call of a connection is answered", async ({ onePort, secure }) => {
    const world = await open(onePort, secure ? await selfSigned("gateway.test") : undefined);
    const { host } = new URL(world.gateway.grpcUrl);
    const nginx = await startNginx((port) => grpcProxy(port, host, secure ? "grpcs" : "grpc"));
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${nginx.port}` });
    const device = await world.login();
    const client = createClient(Gateway, transport);
    for (let call = 0; call < CALLS; call++) {
      const request = await device.signer.sign("user.profile.get", EMPTY);
      expect((await client.executeCommand(request)).envelope?.resultCode).toBe("ok");
    }
    // Without errors, nginx has retried no call.
    expect(await nginx.errors()).not.toContain("[error]");
    await nginx.stop();
    await world.close();
  });
});

function grpcProxy(port: number, host: string, scheme: string): string {
  return `
  upstream gateway { server ${host}; keepalive 4; }
  server {
    listen 127.0.0.1:${port} http2;
    location / { grpc_pass ${scheme}://gateway; grpc_next_upstream off; }
  }`;
}

const NGHTTP = Bun.which("nghttp");
const NO_NGHTTP = NGHTTP === null ? "nghttp is not installed (apt-get install nghttp2-client)" : undefined;
const withoutNghttp = NO_NGHTTP === undefined ? "" : ` (skipped: ${NO_NGHTTP})`;

describe.skipIf(NO_NGHTTP !== undefined)(
  `an nghttp2 client, which requires that its table size is acknowledged,${withoutNghttp}`,
  () => {
    const sizes = [["0"], ["100"], ["0", "4096"], ["4096"], ["65536"]];
    test.each(LISTENERS.slice(0, 2))("on $name decodes every answer, with any table size", async ({ onePort }) => {
      const world = await open(onePort);
      for (const size of sizes) expect(await statusesOf(`${world.gateway.grpcUrl}${HEALTH}`, size)).toEqual(["0", "0", "0"]);
      await world.close();
    });

    test("on the edge's own port decodes every answer, with any table size", async () => {
      const world = await open(false);
      const url = `${world.gateway.edgeUrl}/.well-known/jwks.json`;
      for (const size of sizes)
        expect((await nghttp([...tableSizes(size), "-m", "2", url])).match(/:status: 200/g)).toHaveLength(2);
      await world.close();
    });
  },
);

function tableSizes(sizes: readonly string[]): string[] {
  return sizes.map((size) => `--header-table-size=${size}`);
}

/** The `grpc-status` of three concurrent calls. */
async function statusesOf(url: string, sizes: readonly string[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-nghttp-"));
  const body = join(folder, "frame");
  await Bun.write(body, new Uint8Array(5));
  const fields = ["-H", "content-type: application/grpc", "-H", "te: trailers", "-d", body];
  const output = await nghttp([...tableSizes(sizes), ...fields, "-m", "3", url]);
  await rm(folder, { recursive: true });
  return Array.from(output.matchAll(/grpc-status: (\d+)/g), ([, status = ""]) => status);
}

/** Runs nghttp. Resolves to its verbose output. */
function nghttp(args: readonly string[]): Promise<string> {
  const child = Bun.spawn([NGHTTP ?? "nghttp", "-nv", "-t", "5", ...args], { stdout: "pipe", stderr: "ignore" });
  return new Response(child.stdout).text();
}

describe("a client that reduces its table later", () => {
  const NO_TABLE = Buffer.from([0, 1, 0, 0, 0, 0]);
  const fields = {
    ":method": "POST",
    ":path": HEALTH,
    ":scheme": "http",
    ":authority": "x",
    "content-type": "application/grpc",
  };

  test.each(LISTENERS.slice(0, 2))(
    "on $name gets GOAWAY with COMPRESSION_ERROR, and a new connection is served",
    async ({ onePort }) => {
      const world = await open(onePort);
      const raw = new RawH2(world.gateway.grpcUrl, { settings: Buffer.from([0, 1, 0, 0, 0x10, 0]) });
      raw.headers(fields, { stream: 1 });
      raw.data(new Uint8Array(5), { end: true, stream: 1 });
      await raw.first(FRAME.headers);
      raw.frame(FRAME.settings, 0, 0, NO_TABLE);
      const goAway = await raw.first(FRAME.goAway);
      expect(goAway.payload.readUInt32BE(4)).toBe(9);
      await until(() => raw.closed, "the connection to close");
      const again = createClient(Health, createGrpcTransport({ baseUrl: world.gateway.grpcUrl }));
      expect(await again.check({})).toMatchObject({ status: 1 });
      await world.close();
    },
  );
});
