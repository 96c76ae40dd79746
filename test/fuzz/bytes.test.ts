import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { GoodClient } from "../support/good-client.ts";
import { Random } from "./fuzzer.ts";
import { type GatewayChild, type Port, startGatewayChild } from "./gateway-child.ts";
import { http1Wire, http2Wire, type Wire } from "./wire.ts";

/**
 * Mutated bytes on raw connections to a gateway in its own process. The gateway stays up, closes every connection, keeps its memory bounded, and
 * serves other clients meanwhile. SALLYPORT_FUZZ_SEED repeats a run, SALLYPORT_FUZZ_ROUNDS sets its length.
 */

const SEED = Number(Bun.env["SALLYPORT_FUZZ_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
const ROUNDS = Number(Bun.env["SALLYPORT_FUZZ_ROUNDS"] ?? 4);
const CONNECTIONS_PER_ROUND = 400;
const CONCURRENCY = 40;
const CLOSE_TIMEOUT_MS = 5000;
/** Rounds until code is compiled and pools and caches have their size. */
const WARM_UP_ROUNDS = 2;
/** The heap that one connection may leave. The process keeps reservations for two minutes and the test's log. */
const BYTES_PER_CONNECTION_MAX = 1024;
const NOISE_BYTES = 4 * 1024 * 1024;
/** CPU per connection, on average, and peak memory of a round. `cost.test.ts` measures each input alone. */
const CPU_MICROS_MAX = 10_000;
const PEAK_BYTES_MAX = 128 * 1024 * 1024;

const children: Partial<Record<Port, GatewayChild>> = {};
beforeAll(async () => {
  [children["own-port"], children["same-port"]] = await Promise.all([
    startGatewayChild("own-port"),
    startGatewayChild("same-port"),
  ]);
});
afterAll(async () => {
  for (const child of Object.values(children)) await child.stop();
});

/** Sends the bytes and a FIN. Resolves to a failure if the gateway keeps the connection open. */
async function attempt(url: string, bytes: Uint8Array): Promise<string | undefined> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {}).on("data", () => {});
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => resolve(`held open after ${Buffer.from(bytes).toString("base64")}`), CLOSE_TIMEOUT_MS);
  socket.once("end", () => resolve(undefined)).once("close", () => resolve(undefined));
  socket.end(bytes);
  const outcome = await promise;
  clearTimeout(timer);
  socket.destroy();
  return outcome;
}

async function round(url: string, wire: Wire, random: Random): Promise<string[]> {
  const outcomes: (string | undefined)[] = [];
  const workers = Array.from({ length: CONCURRENCY }, async () => {
    for (let run = 0; run < CONNECTIONS_PER_ROUND / CONCURRENCY; run++) outcomes.push(await attempt(url, wire(random)));
  });
  await Promise.all(workers);
  return outcomes.filter((outcome) => outcome !== undefined);
}

const TARGETS = [
  { target: "HTTP/1.1 on the edge", port: "own-port", listener: "edgeUrl", wire: http1Wire },
  { target: "HTTP/2 on the edge", port: "own-port", listener: "edgeUrl", wire: http2Wire },
  { target: "HTTP/2 on the gRPC listener", port: "own-port", listener: "grpcUrl", wire: http2Wire },
  { target: "HTTP/1.1 on the gRPC listener", port: "own-port", listener: "grpcUrl", wire: http1Wire },
  { target: "HTTP/1.1 on one port", port: "same-port", listener: "edgeUrl", wire: http1Wire },
  { target: "HTTP/2 on one port", port: "same-port", listener: "edgeUrl", wire: http2Wire },
] as const;

describe.each(TARGETS)(`seed ${SEED}, $target`, ({ port, listener, wire }) => {
  test("the gateway stays up, closes every connection, does not grow, and serves other clients", async () => {
    const child = children[port] ?? expect.unreachable();
    const transports = [
      createConnectTransport({ baseUrl: child.edgeUrl, httpVersion: "1.1" }),
      createConnectTransport({ baseUrl: child.edgeUrl, httpVersion: "2" }),
      createGrpcTransport({ baseUrl: child.grpcUrl }),
    ];
    const good = transports.map((transport) => new GoodClient(transport, child.device));
    const random = new Random(SEED);
    const sizes: number[] = [];
    for (let n = 0; n < ROUNDS; n++) {
      const [residentBytes, cpuMicros] = [await child.forgetPeak(), await child.cpuMicros()];
      expect((await round(child[listener], wire, random)).slice(0, 3)).toEqual([]);
      expect(((await child.cpuMicros()) - cpuMicros) / CONNECTIONS_PER_ROUND).toBeLessThan(CPU_MICROS_MAX);
      expect((await child.peakBytes()) - residentBytes).toBeLessThan(PEAK_BYTES_MAX);
      sizes.push((await child.memory()).heapBytes);
    }
    for (const client of good) expect(await client.stop()).toEqual([]);
    const connections = CONNECTIONS_PER_ROUND * (ROUNDS - WARM_UP_ROUNDS);
    const growth = (sizes.at(-1) ?? 0) - Math.max(...sizes.slice(0, WARM_UP_ROUNDS));
    expect(growth).toBeLessThan(NOISE_BYTES + BYTES_PER_CONNECTION_MAX * connections);
    expect((await child.memory()).errors.slice(0, 3)).toEqual([]);
  });
});
