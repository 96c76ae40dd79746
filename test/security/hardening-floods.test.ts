import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { GoodClient } from "../support/good-client.ts";
import { END_HEADERS, END_STREAM, encodeFields, encodeFrame, FRAME, RawH2 } from "../support/raw-h2.ts";
import { RawConnection } from "../support/raw-http.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld, type World } from "../support/world.ts";

/** Floods at every HTTP/2 entry: their cost has a bound, and a client beside them has all its calls answered. */

const PATH = "/sallyport.v1.Gateway/ExecuteCommand";
const CANCEL = Buffer.from([0, 0, 0, 8]);
const REQUEST: readonly (readonly [string, string])[] = [
  [":method", "POST"],
  [":path", PATH],
  [":scheme", "http"],
  [":authority", "gateway.example"],
  ["content-type", "application/grpc-web+proto"],
];

const worlds: Record<string, World> = {};
beforeAll(async () => {
  worlds["two ports"] = await openWorld();
  worlds["one port"] = await openWorld({ "edge.grpc": "same-port" });
});
afterAll(async () => {
  for (const world of Object.values(worlds)) await world.close();
});

const ENTRIES = [
  { name: "the edge", world: "two ports", listener: "edge" },
  { name: "the gRPC listener", world: "two ports", listener: "grpc" },
  { name: "one port", world: "one port", listener: "edge" },
] as const;

const many = (count: number, frame: (index: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_, n) => frame(n)));
const block = (fields: Iterable<readonly [string, string]>) => encodeFields([...REQUEST, ...fields]);
const fields = (count: number, value = "v") => Array.from({ length: count }, (_, n) => [`x-${n}`, value] as const);
const streamId = (index: number) => 1 + 2 * index;

/** A field block in as many frames as it takes (RFC 9113 6.10). */
function inFrames(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.byteLength; at += 16_000) {
    const isLast = at + 16_000 >= bytes.byteLength;
    const flags = (at === 0 ? END_STREAM : 0) | (isLast ? END_HEADERS : 0);
    parts.push(encodeFrame(at === 0 ? FRAME.headers : FRAME.continuation, flags, 1, bytes.subarray(at, at + 16_000)));
  }
  return Buffer.concat(parts);
}

/** `bytes` are sent `times` times over, or as often as the connection lasts. */
interface Flood {
  readonly name: string;
  readonly times: number;
  readonly bytes: (time: number) => Buffer;
}

const open = encodeFrame(FRAME.headers, END_HEADERS, 1, block([]));

/** What no connection survives. */
const FATAL: readonly Flood[] = [
  {
    name: "rapid reset (CVE-2023-44487): streams that are reset as soon as they are open",
    times: 200,
    bytes: (time) =>
      many(100, (n) => {
        const id = streamId(time * 100 + n);
        return Buffer.concat([encodeFrame(FRAME.headers, END_HEADERS, id, block([])), encodeFrame(FRAME.reset, 0, id, CANCEL)]);
      }),
  },
  {
    name: "made you reset (CVE-2025-8671): streams that the server has to reset",
    times: 200,
    bytes: (time) =>
      many(100, (n) => {
        const id = streamId(time * 100 + n);
        const noIncrement = encodeFrame(FRAME.windowUpdate, 0, id, new Uint8Array(4));
        return Buffer.concat([encodeFrame(FRAME.headers, END_HEADERS, id, block([])), noIncrement]);
      }),
  },
  {
    name: "fields without an end (CONTINUATION flood, CVE-2024-27316)",
    times: 200,
    bytes: (time) =>
      time === 0
        ? encodeFrame(FRAME.headers, END_STREAM, 1, block([]))
        : many(20, () => encodeFrame(FRAME.continuation, 0, 1, encodeFields(fields(100, "v".repeat(100))))),
  },
  { name: "10,000 fields in one request", times: 1, bytes: () => inFrames(block(fields(10_000))) },
  { name: "a field of 100 KB", times: 1, bytes: () => inFrames(block(fields(1, "v".repeat(100_000)))) },
];

/** What a connection may survive, for it costs next to nothing. */
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
  { name: "frames of no known type", times: 50, bytes: () => many(1000, () => encodeFrame(0x77, 0, 0, new Uint8Array(8))) },
];

async function send({ times, bytes }: Flood, attacker: RawH2): Promise<void> {
  for (let time = 0; time < times && !attacker.closed; time++) await attacker.write(bytes(time));
}

describe.each(ENTRIES)("on $name", ({ world: key, listener }) => {
  const enter = async () => {
    const world = worlds[key] ?? expect.unreachable();
    const variant = VARIANTS.find((each) => each.listener === listener && each.name.includes("HTTP/2")) ?? expect.unreachable();
    const url = listener === "edge" ? world.gateway.edgeUrl : world.gateway.grpcUrl;
    return { url, good: new GoodClient(world.transport(variant), await world.login()) };
  };

  test.each(FATAL)("$name: the connection is cut, others are served", async (flood) => {
    const { url, good } = await enter();
    const attacker = new RawH2(url);
    await send(flood, attacker);
    await until(() => attacker.closed, "the connection to be cut");
    expect(await good.stop()).toEqual([]);
  });

  test.each(CHEAP)("a flood of $name, read or not: others are served", async (flood) => {
    const { url, good } = await enter();
    const attackers = [new RawH2(url), new RawH2(url)];
    attackers[1]?.pause();
    await Promise.all(attackers.map((attacker) => Promise.race([send(flood, attacker), Bun.sleep(1000)])));
    expect(await good.stop()).toEqual([]);
    for (const attacker of attackers) attacker.destroy();
  });
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
    { name: "fields without an end", bytes: `${head}${"a: b\r\n".repeat(200_000)}` },
  ];
  test.each(["two ports", "one port"].flatMap((world) => attacks.map((attack) => ({ ...attack, world }))))(
    "$name are refused, and others are served, on $world",
    async ({ bytes, world: key }) => {
      const world = worlds[key] ?? expect.unreachable();
      const variant = VARIANTS.find(({ name }) => name.includes("HTTP/1.1")) ?? expect.unreachable();
      const good = new GoodClient(world.transport(variant), await world.login());
      const attacker = await RawConnection.open(world.gateway.edgeUrl);
      attacker.send(bytes);
      expect([400, 431, undefined]).toContain((await attacker.answer())?.status);
      expect(await good.stop()).toEqual([]);
      attacker.close();
    },
  );
});

test("nothing of all this was a fault of the gateway's own", () => {
  const faults = Object.values(worlds).flatMap((world) =>
    world
      .logged()
      .split("\n")
      .filter((line) => line.includes('"level":"error"')),
  );
  expect(faults.slice(0, 3)).toEqual([]);
});
