import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create, type DescMessage, fromJsonString, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { SignedRequest } from "../../src/client/request-signer.ts";
import { encodeFrame } from "../../src/core/frame.ts";
import { ExecuteCommandRequestSchema, SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { openWorld, type World } from "../support/world.ts";
import { Chance, spoil } from "./fuzzer.ts";

/**
 * Spoiled requests at every entry: whatever comes, an answer of the protocol, no fault inside, and nobody is held up. To run it again as
 * it was, or for longer: SALLYPORT_FUZZ_SEED=… SALLYPORT_FUZZ_RUNS=… bun test test/fuzz
 */

const SEED = Number(Bun.env.SALLYPORT_FUZZ_SEED ?? crypto.getRandomValues(new Uint32Array(1))[0]);
const RUNS = Number(Bun.env.SALLYPORT_FUZZ_RUNS ?? 400);
const AT_ONCE = 20;
const ANSWER_TIMEOUT_MS = 5000;

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";
const SEND = "/api/v1/public/auth/send-email-code";
const CONFIRM = "/api/v1/public/auth/confirm-email-code";

type Check = (response: Response, body: Uint8Array) => string | undefined;

/** One way in: what a valid request looks like there, and what may come back. */
interface Entry {
  readonly name: string;
  readonly path: string;
  readonly contentType: string;
  readonly valid: () => Promise<Uint8Array>;
  /** What is wrong with an answer, or nothing. */
  readonly check: Check;
}

const utf8 = new TextEncoder();
const text = (body: Uint8Array) => new TextDecoder().decode(body);

/** An error of Connect, or a signed answer: a mutation may well leave a request as it was. */
const connectUnary: Check = (response, body) => {
  if (response.status === 200) return undefined;
  const { code, message }: { code?: unknown; message?: unknown } = JSON.parse(text(body));
  if (typeof code !== "string" || typeof message !== "string") return `no error of Connect: ${text(body)}`;
  return code === "internal" || code === "unknown" ? `${code}: ${message}` : undefined;
};

/** Whole frames, the last of them the end. */
const framed =
  (isEnd: (flags: number) => boolean, bad: RegExp): Check =>
  (response, body) => {
    if (response.status !== 200) return `status ${response.status}`;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    let last = -1;
    let from = 0;
    while (from < body.byteLength) {
      last = view.getUint8(from);
      from += 5 + view.getUint32(from + 1);
    }
    if (from !== body.byteLength || !isEnd(last)) return "the frames do not end";
    return bad.test(text(body)) ? text(body) : undefined;
  };

const connectStream = framed((flags) => flags === 2, /"code":"(unknown|internal)","message":"an internal/);
const grpcWeb = framed((flags) => flags === 0x80, /grpc-status: ?2\b|INTERNAL|an%20internal/);

const publicRest: Check = (response, body) => {
  const { code }: { code?: unknown } = JSON.parse(text(body));
  if (response.status === 200) return undefined;
  return typeof code === "string" && response.status < 500 ? undefined : `${response.status} ${text(body)}`;
};

let world: World;
let requestOf: (type: string) => Promise<SignedRequest>;
beforeAll(async () => {
  world = await openWorld();
  const device = await world.login();
  requestOf = (type) => device.signer.sign(type, utf8.encode("{}"));
});
afterAll(() => world.close());

const proto = async <Desc extends DescMessage>(desc: Desc, init: Promise<MessageInitShape<Desc>>) =>
  toBinary(desc, create(desc, await init));
const json = async <Desc extends DescMessage>(desc: Desc, init: Promise<MessageInitShape<Desc>>) =>
  utf8.encode(toJsonString(desc, create(desc, await init)));
const command = () => requestOf("user.profile.get");
// Signed as it should not be, so that a stream never opens and every answer has an end.
const subscription = async () => ({ ...(await requestOf("gateway.subscribe")), signature: new Uint8Array(64) });

const ENTRIES: readonly Entry[] = [
  {
    name: "Connect proto, unary",
    path: EXECUTE,
    contentType: "application/proto",
    valid: () => proto(ExecuteCommandRequestSchema, command()),
    check: connectUnary,
  },
  {
    name: "Connect JSON, unary",
    path: EXECUTE,
    contentType: "application/json",
    valid: () => json(ExecuteCommandRequestSchema, command()),
    check: connectUnary,
  },
  {
    name: "Connect proto, stream",
    path: SUBSCRIBE,
    contentType: "application/connect+proto",
    valid: async () => encodeFrame(0, await proto(SubscribeEventsRequestSchema, subscription())),
    check: connectStream,
  },
  {
    name: "Connect JSON, stream",
    path: SUBSCRIBE,
    contentType: "application/connect+json",
    valid: async () => encodeFrame(0, await json(SubscribeEventsRequestSchema, subscription())),
    check: connectStream,
  },
  {
    name: "gRPC-Web proto, unary",
    path: EXECUTE,
    contentType: "application/grpc-web+proto",
    valid: async () => encodeFrame(0, await proto(ExecuteCommandRequestSchema, command())),
    check: grpcWeb,
  },
  {
    name: "gRPC-Web JSON, stream",
    path: SUBSCRIBE,
    contentType: "application/grpc-web+json",
    valid: async () => encodeFrame(0, await json(SubscribeEventsRequestSchema, subscription())),
    check: grpcWeb,
  },
  {
    name: "public REST, send",
    path: SEND,
    contentType: "application/json",
    valid: async () => utf8.encode('{"email":"ada@example.com","metadata":{"device":"phone"}}'),
    check: publicRest,
  },
  {
    name: "public REST, confirm",
    path: CONFIRM,
    contentType: "application/json",
    valid: async () =>
      utf8.encode(
        `{"challenge_id":"c-1","code":"123456","client_public_key":"${Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64")}"}`,
      ),
    check: publicRest,
  },
];

/** Sends one spoiled request. Says what is wrong with its answer, and with which bytes, or nothing. */
async function attempt(baseUrl: string, entry: Entry, chance: Chance): Promise<string | undefined> {
  const body = Buffer.from(spoil(await entry.valid(), chance));
  const failed = (what: string) => `seed ${SEED}: ${what}, for ${body.toString("base64")}`;
  try {
    const response = await fetch(`${baseUrl}${entry.path}`, {
      method: "POST",
      headers: { "content-type": entry.contentType },
      body,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    const wrong = entry.check(response, await response.bytes());
    return wrong && failed(wrong);
  } catch (error) {
    return failed(String(error));
  }
}

async function fuzz(baseUrl: string, entry: Entry, runs: number, seed: number): Promise<string[]> {
  const failures: string[] = [];
  const chances = Array.from({ length: AT_ONCE }, (_, lane) => new Chance(seed + lane));
  await Promise.all(
    chances.map(async (chance) => {
      for (let run = 0; run < runs / AT_ONCE; run++) {
        const failure = await attempt(baseUrl, entry, chance);
        if (failure !== undefined) failures.push(failure);
      }
    }),
  );
  return failures;
}

describe(`seed ${SEED}`, () => {
  test.each(ENTRIES)("$name: every answer is one of the protocol", async (entry) => {
    expect((await fuzz(world.gateway.edgeUrl, entry, RUNS, SEED)).slice(0, 3)).toEqual([]);
  });

  test("nothing inside went wrong, and whoever comes next is served", async () => {
    const faults = world
      .logged()
      .split("\n")
      .filter((line) => line.includes('"level":"error"'));
    expect(faults.slice(0, 3)).toEqual([]);
    const { 0: first } = ENTRIES;
    const response = await fetch(`${world.gateway.edgeUrl}${EXECUTE}`, {
      method: "POST",
      headers: { "content-type": "application/proto" },
      body: Buffer.from((await first?.valid()) ?? expect.unreachable()),
    });
    expect(response.status).toBe(200);
  });
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
  const { 1: entry } = ENTRIES;

  test.each(broken)("$name", async ({ answer }) => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      development: false,
      error: () => new Response("oops", { status: 500 }),
      fetch: async (request) => answer(await request.bytes()),
    });
    expect((await fuzz(server.url.origin, entry ?? expect.unreachable(), 100, SEED)).length).toBeGreaterThan(0);
    await server.stop(true);
  });
});
