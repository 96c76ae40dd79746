import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { join } from "node:path";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { GoodClient } from "../support/good-client.ts";
import { type Device, login } from "../support/world.ts";
import { Chance } from "./fuzzer.ts";
import { http1Wire, http2Wire, type Wire } from "./wire.ts";

/**
 * Spoiled bytes on raw connections to a gateway in a process of its own: it lives, it lets go of every connection, its memory settles,
 * and who is honest is served throughout. SALLYPORT_FUZZ_SEED and SALLYPORT_FUZZ_ROUNDS as in requests.test.ts.
 */

const SEED = Number(Bun.env["SALLYPORT_FUZZ_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
const ROUNDS = Number(Bun.env["SALLYPORT_FUZZ_ROUNDS"] ?? 4);
const CONNECTIONS_A_ROUND = 400;
const AT_ONCE = 40;
const CLOSE_TIMEOUT_MS = 5000;
/** Rounds until whatever is made once has been made: code, pools, caches. */
const WARM_UP_ROUNDS = 2;
/** What one connection may leave behind in a process that remembers every request for two minutes, and logs for the test. */
const LEFT_BYTES_MAX = 1024;
const NOISE_BYTES = 4 * 1024 * 1024;

interface Child {
  readonly edgeUrl: string;
  readonly grpcUrl: string;
  readonly device: Device;
  memory(): Promise<{ heapBytes: number; residentBytes: number; errors: string[] }>;
  stop(): Promise<void>;
}

async function start(port: Port): Promise<Child> {
  const script = join(import.meta.dir, "children/gateway.ts");
  const child = Bun.spawn([process.execPath, script, port], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const lines = linesOf(child.stdout);
  const next = async () => JSON.parse((await lines.next()).value ?? "{}");
  const { edgeUrl, grpcUrl, backendUrl } = await next();
  return {
    edgeUrl,
    grpcUrl,
    device: await login(edgeUrl, backendUrl, "ada@example.com"),
    memory() {
      child.stdin.write("\n");
      child.stdin.flush();
      return next();
    },
    async stop() {
      child.stdin.end();
      expect(await child.exited).toBe(0);
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

type Port = "own-port" | "same-port";

const children: Partial<Record<Port, Child>> = {};
beforeAll(async () => {
  [children["own-port"], children["same-port"]] = await Promise.all([start("own-port"), start("same-port")]);
});
afterAll(async () => {
  for (const child of Object.values(children)) await child.stop();
});

/** Sends all, says that this is all, and waits for the other side to let go. */
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

async function round(url: string, wire: Wire, chance: Chance): Promise<string[]> {
  const outcomes: (string | undefined)[] = [];
  const lanes = Array.from({ length: AT_ONCE }, async () => {
    for (let run = 0; run < CONNECTIONS_A_ROUND / AT_ONCE; run++) outcomes.push(await attempt(url, wire(chance)));
  });
  await Promise.all(lanes);
  return outcomes.filter((outcome) => outcome !== undefined);
}

const WAYS = [
  { way: "HTTP/1.1 on the edge", port: "own-port", listener: "edgeUrl", wire: http1Wire },
  { way: "HTTP/2 on the edge", port: "own-port", listener: "edgeUrl", wire: http2Wire },
  { way: "HTTP/2 on the gRPC listener", port: "own-port", listener: "grpcUrl", wire: http2Wire },
  { way: "HTTP/1.1 on the gRPC listener", port: "own-port", listener: "grpcUrl", wire: http1Wire },
  { way: "HTTP/1.1 on one port", port: "same-port", listener: "edgeUrl", wire: http1Wire },
  { way: "HTTP/2 on one port", port: "same-port", listener: "edgeUrl", wire: http2Wire },
] as const;

describe.each(WAYS)(`seed ${SEED}, $way`, ({ port, listener, wire }) => {
  test("it lives, lets go, does not grow, and serves who is honest", async () => {
    const child = children[port] ?? expect.unreachable();
    const transports = [
      createConnectTransport({ baseUrl: child.edgeUrl, httpVersion: "1.1" }),
      createConnectTransport({ baseUrl: child.edgeUrl, httpVersion: "2" }),
      createGrpcTransport({ baseUrl: child.grpcUrl }),
    ];
    const good = transports.map((transport) => new GoodClient(transport, child.device));
    const chance = new Chance(SEED);
    const sizes: number[] = [];
    for (let n = 0; n < ROUNDS; n++) {
      expect((await round(child[listener], wire, chance)).slice(0, 3)).toEqual([]);
      sizes.push((await child.memory()).heapBytes);
    }
    for (const client of good) expect(await client.stop()).toEqual([]);
    const connections = CONNECTIONS_A_ROUND * (ROUNDS - WARM_UP_ROUNDS);
    const growth = (sizes.at(-1) ?? 0) - Math.max(...sizes.slice(0, WARM_UP_ROUNDS));
    expect(growth).toBeLessThan(NOISE_BYTES + LEFT_BYTES_MAX * connections);
    expect((await child.memory()).errors.slice(0, 3)).toEqual([]);
  });
});
