import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type GatewayProcess, ROOMY_BUDGETS, startGatewayProcess } from "../../support/gateway-process.ts";
import { GoodClient } from "../../support/good-client.ts";
import { END_HEADERS, END_STREAM, encodeFields, encodeFrame, encodeIndexedField, FRAME, RawH2 } from "../../support/raw-h2.ts";
import { RawHttp1 } from "../../support/raw-http.ts";
import { until } from "../../support/until.ts";
import { VARIANTS } from "../../support/variants.ts";

/**
 * Floods on every listener of a gateway in its own process. Each flood's CPU time and memory are bounded, and every call of another client is
 * answered.
 */

const PATH = "/sallyport.v1.Gateway/ExecuteCommand";
const CANCEL = Buffer.from([0, 0, 0, 8]);
const REQUEST: readonly (readonly [string, string])[] = [
  [":method", "POST"],
  [":path", PATH],
  [":scheme", "http"],
  [":authority", "gateway.example"],
  ["content-type", "application/grpc-web+proto"],
];

/**
 * The bounds on a flood, with the good client's calls included. The CPU time is less than the flood takes to send. The memory is about what Bun
 * keeps for a few hundred streams. Without limits in the gateway, each flood here would exceed them several times.
 */
const CPU_SECONDS_MAX = 3;
const HELD_BYTES_MAX = 128 * 1024 * 1024;

type Ports = "own-port" | "same-port";
const gateways: Partial<Record<Ports, GatewayProcess>> = {};
beforeAll(async () => {
  for (const ports of ["own-port", "same-port"] as const) {
    gateways[ports] = await startGatewayProcess({ ...ROOMY_BUDGETS, "edge.grpc": ports });
  }
});
afterAll(async () => {
  for (const gateway of Object.values(gateways)) await gateway.close();
});

const LISTENERS = [
  { name: "the edge", ports: "own-port", listener: "edge" },
  { name: "the gRPC listener", ports: "own-port", listener: "grpc" },
  { name: "one port", ports: "same-port", listener: "edge" },
] as const;

/** Runs an attack while a good client sends commands. Memory is measured while the attackers are still connected. */
async function beside(
  ports: Ports,
  variantName: string,
  attack: (url: string) => Promise<readonly { destroy(): void }[]>,
  listener: "edge" | "grpc" = "edge",
): Promise<void> {
  const gateway = gateways[ports] ?? expect.unreachable();
  const variant =
    VARIANTS.find((each) => each.listener === listener && each.name.includes(variantName)) ?? expect.unreachable();
  const url = listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl;
  const good = new GoodClient(variant.open(url), await gateway.login());
  const before = await gateway.usage();
  const attackers = await attack(url);
  const after = await gateway.usage();
  expect(await good.stop()).toEqual([]);
  expect(after.cpuSeconds - before.cpuSeconds).toBeLessThan(CPU_SECONDS_MAX);
  const heldBytes = async () => (await gateway.usage()).residentBytes - before.residentBytes;
  await until(async () => (await heldBytes()) < HELD_BYTES_MAX, "the unused memory to be collected");
  for (const attacker of attackers) attacker.destroy();
}

const many = (count: number, frame: (index: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_, n) => frame(n)));
const block = (fields: Iterable<readonly [string, string]>) => encodeFields([...REQUEST, ...fields]);
const fields = (count: number, value = "v") => Array.from({ length: count }, (_, n) => [`x-${n}`, value] as const);
const streamId = (index: number) => 1 + 2 * index;

/** A field block split into HEADERS and CONTINUATION frames (RFC 9113 6.10). */
function inFrames(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.byteLength; at += 16_000) {
    const isLast = at + 16_000 >= bytes.byteLength;
    const flags = (at === 0 ? END_STREAM : 0) | (isLast ? END_HEADERS : 0);
    parts.push(encodeFrame(at === 0 ? FRAME.headers : FRAME.continuation, flags, 1, bytes.subarray(at, at + 16_000)));
  }
  return Buffer.concat(parts);
}

/** `bytes(0)` to `bytes(times - 1)` are sent, or fewer if the connection closes. */
interface Flood {
  readonly name: string;
  readonly times: number;
  readonly bytes: (time: number) => Buffer;
}

/** A request without a body yet. It has a 4 KB field this many times, each as a one-byte index (RFC 7541 6.1). */
function bomb(n: number, references: number): Buffer {
  const field = n === 0 ? encodeIndexedField("x-bomb", "v".repeat(3900)) : new Uint8Array(0);
  const again = Buffer.alloc(references, 0x80 | FIRST_DYNAMIC_INDEX);
  return encodeFrame(FRAME.headers, END_HEADERS, streamId(n), Buffer.concat([block([]), field, again]));
}
/** The first index after the static table (RFC 7541 2.3.3). */
const FIRST_DYNAMIC_INDEX = 62;

const open = encodeFrame(FRAME.headers, END_HEADERS, 1, block([]));

/** Floods for which the gateway closes the connection. */
const FATAL: readonly Flood[] = [
  {
    name: "rapid reset (CVE-2023-44487): the client resets each stream after opening it",
    times: 200,
    bytes: (time) =>
      many(100, (n) => {
        const id = streamId(time * 100 + n);
        return Buffer.concat([encodeFrame(FRAME.headers, END_HEADERS, id, block([])), encodeFrame(FRAME.reset, 0, id, CANCEL)]);
      }),
  },
  {
    name: "made you reset (CVE-2025-8671): the server must reset each stream",
    times: 200,
    bytes: (time) =>
      many(100, (n) => {
        const id = streamId(time * 100 + n);
        const noIncrement = encodeFrame(FRAME.windowUpdate, 0, id, new Uint8Array(4));
        return Buffer.concat([encodeFrame(FRAME.headers, END_HEADERS, id, block([])), noIncrement]);
      }),
  },
  {
    name: "an endless field block (CONTINUATION flood, CVE-2024-27316)",
    times: 200,
    bytes: (time) =>
      time === 0
        ? encodeFrame(FRAME.headers, END_STREAM, 1, block([]))
        : many(20, () => encodeFrame(FRAME.continuation, 0, 1, encodeFields(fields(100, "v".repeat(100))))),
  },
  { name: "10,000 fields in one request", times: 1, bytes: () => inFrames(block(fields(10_000))) },
  {
    name: "megabytes of fields as indexes of one sent field (HPACK bomb)",
    times: 200,
    bytes: (time) => bomb(time, 8000),
  },
  { name: "a field of 100 KB", times: 1, bytes: () => inFrames(block(fields(1, "v".repeat(100_000)))) },
];

/** Floods that cost little, so that the connection may stay open. */
const CHEAP: readonly Flood[] = [
  { name: "PINGs", times: 50, bytes: () => many(1000, () => encodeFrame(FRAME.ping, 0, 0, new Uint8Array(8))) },
  {
    name: "SETTINGS",
    times: 50,
    bytes: () => many(1000, () => encodeFrame(FRAME.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 99]))),
  },
  { name: "empty SETTINGS", times: 50, bytes: () => many(1000, () => encodeFrame(FRAME.settings, 0, 0, new Uint8Array(0))) },
  {
    name: "PRIORITY",
    times: 50,
    bytes: () => many(1000, (n) => encodeFrame(FRAME.priority, 0, streamId(n), new Uint8Array(5))),
  },
  {
    name: "WINDOW_UPDATE",
    times: 50,
    bytes: () => many(1000, () => encodeFrame(FRAME.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1]))),
  },
  {
    name: "empty DATA",
    times: 50,
    bytes: (time) => (time === 0 ? open : many(1000, () => encodeFrame(FRAME.data, 0, 1, new Uint8Array(0)))),
  },
  {
    name: "empty CONTINUATION",
    times: 50,
    bytes: (time) =>
      time === 0
        ? encodeFrame(FRAME.headers, END_STREAM, 1, block([]))
        : many(1000, () => encodeFrame(FRAME.continuation, 0, 1, new Uint8Array(0))),
  },
  { name: "frames of an unknown type", times: 50, bytes: () => many(1000, () => encodeFrame(0x77, 0, 0, new Uint8Array(8))) },
];

async function send({ times, bytes }: Flood, attacker: RawH2): Promise<void> {
  for (let time = 0; time < times && !attacker.closed; time++) await attacker.write(bytes(time));
}

describe.each(LISTENERS)("on $name", ({ ports, listener }) => {
  test.each(FATAL)("$name: the connection is closed and others are served", (flood) =>
    beside(
      ports,
      "HTTP/2",
      async (url) => {
        const attacker = new RawH2(url);
        await send(flood, attacker);
        await until(() => attacker.closed, "the connection to be closed");
        return [attacker];
      },
      listener,
    ),
  );

  test.each(CHEAP)("during a flood of $name, whether the attacker reads or not, others are served", (flood) =>
    beside(
      ports,
      "HTTP/2",
      async (url) => {
        const attackers = [new RawH2(url), new RawH2(url)];
        attackers[1]?.pause();
        await Promise.all(attackers.map((attacker) => Promise.race([send(flood, attacker), Bun.sleep(1000)])));
        return attackers;
      },
      listener,
    ),
  );

  test.each([
    { streams: 100, references: 3 },
    { streams: 250, references: 7 },
  ])(
    "the memory of 20 connections with $streams open requests each, with $references indexed 4 KB fields (HPACK), is bounded",
    (requests) =>
      beside(
        ports,
        "HTTP/2",
        async (url) => {
          const attackers = Array.from({ length: 20 }, () => new RawH2(url));
          for (const attacker of attackers) {
            for (let n = 0; n < requests.streams; n++) await attacker.write(bomb(n, requests.references));
          }
          return attackers;
        },
        listener,
      ),
  );
});

describe("over HTTP/1.1", () => {
  const head = `POST ${PATH} HTTP/1.1\r\nHost: gateway.example\r\n`;
  const attacks = [
    {
      name: "10,000 fields",
      bytes: `${head}${fields(10_000)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join("")}\r\n`,
    },
    { name: "a field of 1 MB", bytes: `${head}X-A: ${"a".repeat(1_000_000)}\r\n\r\n` },
    { name: "a target of 1 MB", bytes: `POST /${"a".repeat(1_000_000)} HTTP/1.1\r\nHost: gateway.example\r\n\r\n` },
    { name: "an endless list of fields", bytes: `${head}${"a: b\r\n".repeat(200_000)}` },
  ];
  const PORTS: readonly Ports[] = ["own-port", "same-port"];
  test.each(PORTS.flatMap((ports) => attacks.map((attack) => ({ ...attack, ports }))))(
    "$name: the request is refused and others are served, with edge.grpc = $ports",
    ({ bytes, ports }) =>
      beside(ports, "HTTP/1.1", async (url) => {
        const attacker = await RawHttp1.open(url);
        attacker.send(bytes);
        expect([400, 431, undefined]).toContain((await attacker.answer())?.status);
        return [attacker.socket];
      }),
  );

  test.each(PORTS)(
    "during 100,000 pipelined requests whose answers are not read, others are served, with edge.grpc = %s",
    (ports) =>
      beside(ports, "HTTP/1.1", async (url) => {
        const requests = "GET / HTTP/1.1\r\nHost: gateway.example\r\n\r\n".repeat(1000);
        const attackers = await Promise.all([RawHttp1.open(url), RawHttp1.open(url)]);
        for (const { socket } of attackers) {
          socket.pause();
          for (let n = 0; n < 50; n++) socket.write(requests);
        }
        await Bun.sleep(1000);
        return attackers.map(({ socket }) => socket);
      }),
  );
});

test("no flood caused an error in the gateway's log", () => {
  const lines = Object.values(gateways).flatMap((gateway) => gateway.logged().split("\n"));
  expect(lines.filter((line) => line.includes('"level":"error"')).slice(0, 3)).toEqual([]);
});
