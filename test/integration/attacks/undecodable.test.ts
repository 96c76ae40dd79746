import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../../src/client/errors.ts";
import type { Config } from "../../../src/config/schema.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame, FLAG_COMPRESSED } from "../../../src/rpc/frame.ts";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { http1, http2, type RawAnswer, RawHttp1, type RawRequest } from "../../support/raw-http.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, openWorld, type World, withWorld } from "../../support/world.ts";

/** An undecodable request counts as a failure of its client. A client without failure tokens is refused before its body is read. */

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";
const BURST = 3;
const LOW_FAILURE_BUDGET: Partial<Config> = { "budgets.failures.rate": 0.001, "budgets.failures.burst": BURST };
const ONE_PORT: Partial<Config> = { ...LOW_FAILURE_BUDGET, "edge.grpc": "same-port" };

const edge = ({ gateway }: World) => gateway.edgeUrl;
const grpc = ({ gateway }: World) => gateway.grpcUrl;
const http1Chunked = (url: string, request: RawRequest) => http1(url, request, true);
const CARRIERS = [
  { name: "HTTP/1.1", config: LOW_FAILURE_BUDGET, url: edge, send: http1 },
  { name: "HTTP/1.1 in chunks", config: LOW_FAILURE_BUDGET, url: edge, send: http1Chunked },
  { name: "HTTP/2 on the edge", config: LOW_FAILURE_BUDGET, url: edge, send: http2 },
  { name: "HTTP/2 on the gRPC listener", config: LOW_FAILURE_BUDGET, url: grpc, send: http2 },
  { name: "HTTP/1.1 on one port", config: ONE_PORT, url: edge, send: http1 },
  { name: "HTTP/2 on one port", config: ONE_PORT, url: edge, send: http2 },
] as const;

const utf8 = (text: string) => new TextEncoder().encode(text);
const framed = (flags: number, body: Uint8Array) => encodeFrame(flags, body);
/** 59 bytes that once took 40 ms to decode. */
const DIGITS = brotliCompressSync(utf8(`{"envelope":{"timestampMs":"${"9".repeat(524_000)}"}}`));

const TEXT = { "content-type": "application/grpc-web-text", "grpc-encoding": "zstd" };

interface Undecodable {
  readonly name: string;
  readonly path?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

const UNDECODABLE: readonly Undecodable[] = [
  {
    name: "endless digits, compressed",
    headers: { "content-type": "application/json", "content-encoding": "br" },
    body: DIGITS,
  },
  { name: "bad JSON", headers: { "content-type": "application/json" }, body: "{" },
  { name: "bad proto", headers: { "content-type": "application/proto" }, body: new Uint8Array(20).fill(0xff) },
  { name: "bad gzip", headers: { "content-type": "application/proto", "content-encoding": "gzip" }, body: "no gzip" },
  { name: "bad zstd", headers: { "content-type": "application/proto", "content-encoding": "zstd" }, body: "no zstd" },
  {
    name: "an unsupported compression",
    headers: { "content-type": "application/proto", "content-encoding": "lzma" },
    body: "",
  },
  { name: "an invalid timeout", headers: { "content-type": "application/proto", "connect-timeout-ms": "x" }, body: "" },
  { name: "too large", headers: { "content-type": "application/proto" }, body: new Uint8Array(600_000) },
  {
    name: "a decompression bomb",
    headers: { "content-type": "application/proto", "content-encoding": "gzip" },
    body: gzipSync(new Uint8Array(200_000)),
  },
  {
    name: "a decompression bomb in a frame",
    headers: { "content-type": "application/grpc-web+proto", "grpc-encoding": "zstd" },
    body: framed(FLAG_COMPRESSED, zstdCompressSync(new Uint8Array(200_000))),
  },
  { name: "half a frame", headers: { "content-type": "application/grpc-web+proto" }, body: new Uint8Array([0, 0, 0, 0, 9]) },
  { name: "too many frames", headers: { "content-type": "application/grpc-web" }, body: new Uint8Array(10) },
  { name: "no frame", headers: { "content-type": "application/grpc-web" }, body: new Uint8Array(0) },
  {
    name: "a frame with unknown flags",
    headers: { "content-type": "application/grpc-web" },
    body: framed(0x40, new Uint8Array(0)),
  },
  ...[
    { name: "garbage instead of base64", body: "!".repeat(400) },
    { name: "base64 without its padding", body: framed(0, new Uint8Array(0)).toBase64({ omitPadding: true }) },
    { name: "base64 with non-zero bits in its padding", body: "AAAAAAB=" },
    { name: "base64 with line breaks", body: "AAAAAAA=\r\n\r\n" },
    { name: "base64 of one byte per piece, too many", body: "QQ==".repeat(2000) },
    { name: "base64, too large", body: "AAAA".repeat(200_000) },
    { name: "base64 of bad proto", body: framed(0, new Uint8Array(20).fill(0xff)).toBase64() },
    { name: "binary gRPC-Web as text", body: framed(0, new Uint8Array(3)) },
    {
      name: "a decompression bomb in base64",
      body: framed(FLAG_COMPRESSED, zstdCompressSync(new Uint8Array(200_000))).toBase64(),
    },
  ].flatMap((each) => [
    { ...each, headers: TEXT },
    { ...each, name: `${each.name}, for a subscription`, path: SUBSCRIBE, headers: TEXT },
  ]),
  {
    name: "an invalid subscription",
    path: SUBSCRIBE,
    headers: { "content-type": "application/connect+json" },
    body: framed(0, utf8("[]")),
  },
];

const EMPTY_MESSAGE: RawRequest = { path: EXECUTE, headers: { "content-type": "application/proto" } };

/** The reason of a Connect error, or the status if there is no reason. */
function reasonOrStatus(answer: RawAnswer | undefined): string {
  const reason = /"reason":"([A-Z_]+)"/.exec(answer?.body.toString() ?? "")?.[1];
  return reason ?? `HTTP ${answer?.status}`;
}

describe.each(CARRIERS)("over $name", ({ config, url, send }) => {
  test.each(UNDECODABLE)("$name counts as a failure of the client", ({ path = EXECUTE, headers, body }) =>
    withWorld(config, async (world) => {
      for (let n = 0; n < BURST; n++)
        expect(reasonOrStatus(await send(url(world), { path, headers, body }))).not.toBe("RATE_LIMITED");
      const refused = await send(url(world), EMPTY_MESSAGE);
      expect([reasonOrStatus(refused), refused?.status]).toEqual(["RATE_LIMITED", 429]);
      expect(Number(refused?.headers["retry-after"])).toBeGreaterThan(0);
      expect(refused?.body.toString()).toContain('"retryDelay"');
    }),
  );
});

describe("a client without failure tokens is refused before its body arrives", () => {
  const exhaust = async (world: World) => {
    for (let n = 0; n < BURST; n++) await http1(edge(world), { ...EMPTY_MESSAGE, body: "x" });
  };

  test.each([EXECUTE, SUBSCRIBE])("HTTP/1.1: %s", (path) =>
    withWorld(LOW_FAILURE_BUDGET, async (world) => {
      await exhaust(world);
      const type = path === EXECUTE ? "application/json" : "application/connect+json";
      const connection = await RawHttp1.open(edge(world));
      connection.send(`POST ${path} HTTP/1.1\r\nHost: a.example\r\nContent-Type: ${type}\r\nContent-Length: 1000\r\n\r\n`);
      expect((await connection.answer())?.body.toString()).toContain("RATE_LIMITED");
      connection.close();
    }),
  );

  test.each(
    [edge, grpc].flatMap((url) =>
      ["application/grpc-web", "application/proto", "application/grpc"].map((type) => ({ url, type })),
    ),
  )("HTTP/2: $url.name, $type", ({ url, type }) =>
    withWorld(LOW_FAILURE_BUDGET, async (world) => {
      if (url === edge && type === "application/grpc") return;
      await exhaust(world);
      const connection = connectHttp2(url(world));
      const stream = connection.request({ ":method": "POST", ":path": EXECUTE, "content-type": type });
      const answer = await new Promise<string>((resolve) => {
        let all = "";
        stream.on("response", (headers) => {
          all += JSON.stringify(headers);
        });
        stream.on("data", (chunk: Uint8Array) => {
          all += Buffer.from(chunk).toString("latin1");
        });
        stream.on("end", () => resolve(all));
        stream.on("error", () => resolve(all));
      });
      expect(answer).toMatch(/"grpc-status":"?8|grpc-status: ?8|":status":429/);
      connection.destroy();
    }),
  );

  test.each(VARIANTS)("$name returns RATE_LIMITED", (variant) =>
    withWorld(LOW_FAILURE_BUDGET, async (world) => {
      await exhaust(world);
      const device = await world.login();
      const client = createClient(Gateway, world.transport(variant));
      const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
      expect(await client.executeCommand(request).then(() => "ok", reasonOf)).toBe("RATE_LIMITED");
    }),
  );
});

describe("a failing client behind an address does not lock out verified peers", () => {
  let world: World;
  let good: Device;
  beforeAll(async () => {
    world = await openWorld({ ...LOW_FAILURE_BUDGET, "budgets.ip.rate": 0.001, "budgets.ip.burst": 5 });
    good = await world.login();
  });
  afterAll(() => world.close());

  const command = async () => {
    const [variant] = VARIANTS;
    const client = createClient(Gateway, world.transport(variant ?? expect.unreachable()));
    const request = await good.signer.sign("user.profile.get", new Uint8Array(0));
    return client.executeCommand(request).then(() => "ok", reasonOf);
  };
  const expensive = () =>
    http1(edge(world), {
      ...EMPTY_MESSAGE,
      headers: { "content-type": "application/json" },
      body: `{"a":"${"x".repeat(20_000)}`,
    });

  test("commands of a verified peer are served; undecodable requests of 20 KB are refused unread after the budget", async () => {
    expect(await command()).toBe("ok");
    const answers: string[] = [];
    for (let n = 0; n < 20; n++) answers.push(reasonOrStatus(await expensive()));
    expect(answers.slice(0, 5)).toEqual(new Array(5).fill("HTTP 400"));
    expect(answers.slice(5)).toEqual(new Array(15).fill("RATE_LIMITED"));
    expect(await command()).toBe("ok");
  });
});

test("health checks are served to a client without failure tokens, because it may be a load balancer", () =>
  withWorld(LOW_FAILURE_BUDGET, async (world) => {
    const check = { path: "/grpc.health.v1.Health/Check", headers: { "content-type": "application/json" } };
    for (let n = 0; n < BURST + 1; n++) expect((await http1(edge(world), { ...check, body: "[" }))?.status).toBe(400);
    expect(reasonOrStatus(await http1(edge(world), EMPTY_MESSAGE))).toBe("RATE_LIMITED");
    expect((await http1(edge(world), { ...check, body: "{}" }))?.status).toBe(200);
  }));

describe.each(LOGIN_PATHS)("public REST, $rows", ({ SEND }) => {
  const BAD: readonly (readonly [string, Uint8Array | string])[] = [
    ["not JSON", "{"],
    ["not UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
    ["too large", new Uint8Array(10_000)],
    ["an unknown field", '{"email":"a@b.example","x":1}'],
    ["an invalid address", '{"email":"nobody"}'],
  ];
  const send = (world: World, body: Uint8Array | string) =>
    http1(edge(world), { path: SEND, headers: { "content-type": "application/json" }, body });

  test.each(BAD)("%s counts as a failure, and a client without failure tokens is refused unread", (_, body) =>
    withWorld(LOW_FAILURE_BUDGET, async (world) => {
      for (let n = 0; n < BURST; n++) expect([400, 413]).toContain((await send(world, body))?.status ?? 0);
      const connection = await RawHttp1.open(edge(world));
      const head = "Host: a.example\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
      connection.send(`POST ${SEND} HTTP/1.1\r\n${head}`);
      const answer = await connection.answer();
      expect([answer?.status, answer?.headers["ratelimit-policy"]]).toEqual([429, '"failures";q=3;w=3000']);
      expect(Number(answer?.headers["retry-after"])).toBeGreaterThan(0);
      connection.close();
      expect(world.faults.calls(SEND)).toBe(0);
    }),
  );

  test("failures of RPCs and of public REST have separate budgets", () =>
    withWorld(LOW_FAILURE_BUDGET, async (world) => {
      for (let n = 0; n < BURST; n++) await http1(edge(world), { ...EMPTY_MESSAGE, body: "x" });
      await world.login();
      for (let n = 0; n < BURST; n++) await send(world, "{");
      expect((await send(world, "{"))?.status).toBe(429);
    }));
});

test("a timeout without end does not come back in the error", () =>
  withWorld({}, async (world) => {
    for (const name of ["connect-timeout-ms", "grpc-timeout"]) {
      const type = name === "grpc-timeout" ? "application/grpc-web" : "application/proto";
      const headers = { "content-type": type, [name]: "9".repeat(10_000) };
      const answer = await http1(edge(world), { path: EXECUTE, headers });
      const length = JSON.stringify(answer?.headers).length + (answer?.body.byteLength ?? 0);
      expect(length).toBeLessThan(1000);
    }
  }));
