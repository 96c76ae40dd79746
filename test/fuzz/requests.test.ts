import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fromJsonString } from "@bufbuild/protobuf";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { openWorld, type World } from "../support/world.ts";
import { type Carrier, overHttp1, overHttp2 } from "./carriers.ts";
import { ENTRIES, type Entry, type Sign } from "./entries.ts";
import { Chance, spoil } from "./fuzzer.ts";

/**
 * Spoiled requests at every entry: whatever comes, an answer of the protocol, no fault inside, and nobody is held up. To run it again as
 * it was, or for longer: SALLYPORT_FUZZ_SEED=… SALLYPORT_FUZZ_RUNS=… bun test test/fuzz
 */

const SEED = Number(Bun.env["SALLYPORT_FUZZ_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
const RUNS = Number(Bun.env["SALLYPORT_FUZZ_RUNS"] ?? 200);
const AT_ONCE = 20;

const utf8 = new TextEncoder();
const text = (body: Uint8Array) => new TextDecoder().decode(body);

const worlds: Record<string, World> = {};
beforeAll(async () => {
  worlds["two ports"] = await openWorld();
  worlds["one port"] = await openWorld({ "edge.grpc": "same-port" });
});
afterAll(async () => {
  for (const world of Object.values(worlds)) await world.close();
});

/** Every way to every listener. */
const WAYS = [
  { way: "the edge over HTTP/1.1", world: "two ports", listener: "edgeUrl", open: overHttp1, hasTrailers: false },
  { way: "the edge over HTTP/2", world: "two ports", listener: "edgeUrl", open: overHttp2, hasTrailers: false },
  { way: "the gRPC listener", world: "two ports", listener: "grpcUrl", open: overHttp2, hasTrailers: true },
  { way: "one port over HTTP/1.1", world: "one port", listener: "edgeUrl", open: overHttp1, hasTrailers: false },
  { way: "one port over HTTP/2", world: "one port", listener: "edgeUrl", open: overHttp2, hasTrailers: true },
] as const;

async function signer(world: World): Promise<Sign> {
  const device = await world.login();
  return (messageType) => device.signer.sign(messageType, utf8.encode("{}"));
}

/** Headers that say something of the body, or of the call: rightly, wrongly, or absurdly. */
const HEADERS: readonly Readonly<Record<string, string>>[] = [
  {},
  {},
  {},
  { "content-encoding": "gzip" },
  { "connect-content-encoding": "zstd" },
  { "grpc-encoding": "br" },
  { "connect-timeout-ms": "-1" },
  { "grpc-timeout": "1H" },
  { "grpc-timeout": "99999999999S" },
  { "connect-protocol-version": "9" },
  { "grpc-accept-encoding": ",,,;q=1" },
  { "x-forwarded-for": "1.2.3.4, ::1, %%%" },
  { "x-a": "a".repeat(4000) },
  { "some-bin": "!!!" },
  { origin: "null" },
];

/** Sends one spoiled request. Says what is wrong with its answer, and with which bytes, or nothing. */
async function attempt({ send }: Carrier, entry: Entry, sign: Sign, chance: Chance): Promise<string | undefined> {
  const body = Buffer.from(spoil(await entry.valid(sign), chance));
  const headers = { "content-type": entry.contentType, ...chance.pick(HEADERS) };
  const failed = (what: string) => `seed ${SEED}: ${what}, for ${JSON.stringify(headers)} ${body.toString("base64")}`;
  try {
    const wrong = entry.check(await send(entry.path, headers, body));
    return wrong && failed(wrong);
  } catch (error) {
    return failed(String(error));
  }
}

async function fuzz(carrier: Carrier, entry: Entry, sign: Sign, runs: number): Promise<string[]> {
  const failures: string[] = [];
  const chances = Array.from({ length: AT_ONCE }, (_, lane) => new Chance(SEED + lane));
  await Promise.all(
    chances.map(async (chance) => {
      for (let run = 0; run < runs / AT_ONCE; run++) {
        const failure = await attempt(carrier, entry, sign, chance);
        if (failure !== undefined) failures.push(failure);
      }
    }),
  );
  return failures;
}

describe.each(WAYS)(`seed ${SEED}, $way`, ({ world: key, listener, open, hasTrailers }) => {
  const entries = ENTRIES.filter(({ isGrpc }) => hasTrailers || !isGrpc);
  // The gRPC listener of its own knows RPCs alone.
  const served = listener === "grpcUrl" ? entries.filter(({ name }) => !name.startsWith("public")) : entries;

  test.each(served)("$name: every answer is one of the protocol", async (entry) => {
    const world = worlds[key] ?? expect.unreachable();
    const carrier = open(world.gateway[listener]);
    expect((await fuzz(carrier, entry, await signer(world), RUNS)).slice(0, 3)).toEqual([]);
    carrier.close();
  });
});

test.each(["two ports", "one port"])("nothing inside went wrong, and whoever comes next is served, on %s", async (key) => {
  const world = worlds[key] ?? expect.unreachable();
  const faults = world
    .logged()
    .split("\n")
    .filter((line) => line.includes('"level":"error"'));
  expect(faults.slice(0, 3)).toEqual([]);
  const { 0: first = expect.unreachable() } = ENTRIES;
  const body = Buffer.from(await first.valid(await signer(world)));
  const answer = await overHttp1(world.gateway.edgeUrl).send(first.path, { "content-type": first.contentType }, body);
  expect(answer.status).toBe(200);
});

/** A fuzzer that finds nothing may be one that cannot find anything. These are gateways with a fault each. */
describe("canary: a gateway that is broken is caught", () => {
  const broken: readonly { readonly name: string; readonly answer: (body: Uint8Array) => Response }[] = [
    {
      name: "one that breaks down on a text that it does not expect",
      answer: (body) =>
        text(body).includes('"envelope"')
          ? Response.json({ code: "invalid_argument", message: "" }, { status: 400 })
          : new Response("Error: at main.ts:7", { status: 500 }),
    },
    {
      name: "one that answers with a fault inside",
      answer: () => Response.json({ code: "internal", message: "an internal error occurred" }, { status: 500 }),
    },
    {
      name: "one that repairs broken JSON and goes on",
      answer: (body) => Response.json(fromJsonString(ExecuteCommandRequestSchema, text(body)), { status: 400 }),
    },
  ];
  const { 1: entry = expect.unreachable() } = ENTRIES;

  test.each(broken)("$name", async ({ answer }) => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      development: false,
      error: () => new Response("oops", { status: 500 }),
      fetch: async (request) => answer(await request.bytes()),
    });
    const sign = await signer(worlds["two ports"] ?? expect.unreachable());
    expect((await fuzz(overHttp1(server.url.origin), entry, sign, 100)).length).toBeGreaterThan(0);
    await server.stop(true);
  });
});
