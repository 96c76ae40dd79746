import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fromJsonString } from "@bufbuild/protobuf";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { openWorld, type World } from "../support/world.ts";
import { type Carrier, overHttp1, overHttp2 } from "./carriers.ts";
import { ENTRIES, type Entry, type Sign } from "./entries.ts";
import { mutate, Random } from "./fuzzer.ts";

/**
 * Mutated requests at every endpoint. Each gets an answer of its protocol, and none causes an internal error.
 * `SALLYPORT_FUZZ_SEED=… SALLYPORT_FUZZ_RUNS=… bun test test/fuzz` repeats a run or sets its length.
 */

const SEED = Number(Bun.env["SALLYPORT_FUZZ_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
const RUNS = Number(Bun.env["SALLYPORT_FUZZ_RUNS"] ?? 200);
const CONCURRENCY = 20;

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

/** Every listener with every HTTP version that it serves. */
const TARGETS = [
  { target: "the edge over HTTP/1.1", world: "two ports", listener: "edgeUrl", open: overHttp1, hasTrailers: false },
  { target: "the edge over HTTP/2", world: "two ports", listener: "edgeUrl", open: overHttp2, hasTrailers: false },
  { target: "the gRPC listener", world: "two ports", listener: "grpcUrl", open: overHttp2, hasTrailers: true },
  { target: "one port over HTTP/1.1", world: "one port", listener: "edgeUrl", open: overHttp1, hasTrailers: false },
  { target: "one port over HTTP/2", world: "one port", listener: "edgeUrl", open: overHttp2, hasTrailers: true },
] as const;

async function signer(world: World): Promise<Sign> {
  const device = await world.login();
  return (messageType) => device.signer.sign(messageType, utf8.encode("{}"));
}

/** Valid, wrong and absurd headers of a call or its body. */
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

/** Sends one mutated request. Resolves to what is wrong with its answer, with the request's bytes, or to `undefined`. */
async function attempt({ send }: Carrier, entry: Entry, sign: Sign, random: Random): Promise<string | undefined> {
  const body = Buffer.from(mutate(await entry.valid(sign), random));
  const headers = { "content-type": entry.contentType, ...random.pick(HEADERS) };
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
  const randoms = Array.from({ length: CONCURRENCY }, (_, worker) => new Random(SEED + worker));
  await Promise.all(
    randoms.map(async (random) => {
      for (let run = 0; run < runs / CONCURRENCY; run++) {
        const failure = await attempt(carrier, entry, sign, random);
        if (failure !== undefined) failures.push(failure);
      }
    }),
  );
  return failures;
}

describe.each(TARGETS)(`seed ${SEED}, $target`, ({ world: key, listener, open, hasTrailers }) => {
  const entries = ENTRIES.filter(({ isGrpc }) => hasTrailers || !isGrpc);
  // The gRPC listener serves only RPCs.
  const served = listener === "grpcUrl" ? entries.filter(({ name }) => !name.startsWith("public")) : entries;

  test.each(served)("$name: every answer is valid in its protocol", async (entry) => {
    const world = worlds[key] ?? expect.unreachable();
    const carrier = open(world.gateway[listener]);
    expect((await fuzz(carrier, entry, await signer(world), RUNS)).slice(0, 3)).toEqual([]);
    carrier.close();
  });
});

test.each(["two ports", "one port"])(
  "no mutated request caused an internal error, and a valid one is served, on %s",
  async (key) => {
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
  },
);

/** These broken gateways show that the fuzzer can find faults. */
describe("canary: the fuzzer finds the fault of a gateway", () => {
  const broken: readonly { readonly name: string; readonly answer: (body: Uint8Array) => Response }[] = [
    {
      name: "that crashes on unexpected text",
      answer: (body) =>
        text(body).includes('"envelope"')
          ? Response.json({ code: "invalid_argument", message: "" }, { status: 400 })
          : new Response("Error: at main.ts:7", { status: 500 }),
    },
    {
      name: "that answers with an internal error",
      answer: () => Response.json({ code: "internal", message: "an internal error occurred" }, { status: 500 }),
    },
    {
      name: "that accepts invalid JSON",
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
