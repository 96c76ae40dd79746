import { afterAll, beforeAll, expect, test } from "bun:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { encodeFrame, FLAG_COMPRESSED } from "../../../src/rpc/frame.ts";
import { runCommand } from "../../support/process.ts";
import { until } from "../../support/until.ts";
import { openWorld, type World } from "../../support/world.ts";

/** 100 MiB of zeros, compressed. */
const UNPACKED_BYTES = 100 * 1024 * 1024;
const BOMBS = [
  { name: "gzip", bytes: gzipSync(new Uint8Array(UNPACKED_BYTES)) },
  { name: "br", bytes: brotliCompressSync(new Uint8Array(UNPACKED_BYTES)) },
  { name: "zstd", bytes: zstdCompressSync(new Uint8Array(UNPACKED_BYTES)) },
];
const CONCURRENCY = 40;
/** Forty fully decompressed bombs would take 4 GB. */
const GROWTH_BYTES_MAX = 200 * 1024 * 1024;

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

function sendBomb(edge: string, bomb: { name: string; bytes: Uint8Array<ArrayBuffer> }, framed: boolean): Promise<Response> {
  const [contentType, encoding] = framed
    ? ["application/grpc-web+proto", "grpc-encoding"]
    : ["application/proto", "content-encoding"];
  const body = framed ? encodeFrame(FLAG_COMPRESSED, bomb.bytes) : bomb.bytes;
  const headers = { "content-type": contentType, [encoding]: bomb.name };
  return fetch(`${edge}/sallyport.v1.Gateway/ExecuteCommand`, { method: "POST", headers, body });
}

test.each(BOMBS)("a $name bomb is refused as too large, in every framing", async (bomb) => {
  const bare = await sendBomb(world.gateway.edgeUrl, bomb, false);
  expect(bare.status).toBe(429);
  expect(await bare.json()).toMatchObject({ code: "resource_exhausted" });
  const framed = await sendBomb(world.gateway.edgeUrl, bomb, true);
  expect(await framed.text()).toContain("grpc-status: 8");
});

test("concurrent bombs use bounded memory", async () => {
  const server = runCommand(["serve"], {
    SALLYPORT_EDGE_LISTEN: "127.0.0.1:0",
    SALLYPORT_GRPC_LISTEN: "127.0.0.1:0",
    SALLYPORT_ADMIN_LISTEN: "127.0.0.1:0",
    SALLYPORT_BACKEND_URL: world.faults.url,
    SALLYPORT_PUSH_URL: world.backend.pushUrl,
    SALLYPORT_KEYS_CURRENT: Buffer.from(new Uint8Array(32).fill(1)).toString("base64"),
  });
  await until(() => server.stdout().includes("gateway started"), "the gateway to be up");
  const line =
    server
      .stdout()
      .split("\n")
      .find((each) => each.includes("gateway started")) ?? "";
  const { edge, admin }: { edge: string; admin: string } = JSON.parse(line);
  const resident = async () => {
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    return Number(/^process_resident_memory_bytes (\d+)/m.exec(metrics)?.[1]);
  };
  const before = await resident();
  let peak = before;
  let done = false;
  const watch = (async () => {
    while (!done) peak = Math.max(peak, await resident());
  })();
  for (const bomb of BOMBS) {
    const responses = await Promise.all(Array.from({ length: CONCURRENCY }, (_, at) => sendBomb(edge, bomb, at % 2 === 1)));
    for (const response of responses) await response.arrayBuffer();
  }
  done = true;
  await watch;
  expect(peak - before).toBeLessThan(GROWTH_BYTES_MAX);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
}, 60_000);
