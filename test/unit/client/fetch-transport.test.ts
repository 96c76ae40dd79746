import { afterAll, describe, expect, test } from "bun:test";
import { toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { EnvelopeDecoder } from "../../../src/client/envelope-decoder.ts";
import { GatewayError } from "../../../src/client/errors.ts";
import { fetchTransport } from "../../../src/client/fetch-transport.ts";
import { getJson } from "../../../src/client/rest.ts";
import { Gateway, GatewayEventSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { event, newKeyRing } from "./fake-gateway.ts";
import { failureOf } from "./test-client.ts";

/** An HTTP server that gives the answer of the test. */
let answer: (request: Request) => Response | Promise<Response> = () => new Response();
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => answer(request) });
afterAll(() => server.stop(true));
const gateway = createClient(Gateway, fetchTransport({ baseUrl: server.url.href }));

const EVENT = event(newKeyRing(), "all", "order.ready", { text: "x".repeat(3000) });
const ENVELOPE = encodeEnvelope(0, toBinary(GatewayEventSchema, EVENT));
const END = encodeEnvelope(2, new TextEncoder().encode("{}"));

function stream(...chunks: Uint8Array[]): Response {
  const body = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "application/connect+proto" } });
}

async function received(): Promise<string[]> {
  const ids: string[] = [];
  for await (const { envelope } of gateway.subscribeEvents({})) ids.push(envelope?.eventId ?? "");
  return ids;
}

async function failure(call: Promise<unknown>): Promise<GatewayError> {
  return new GatewayError(ConnectError.from(await failureOf(call)));
}

test("the message of a failed connection has the innermost cause, as Node reports it three levels deep", async () => {
  const system = Object.assign(new Error("self-signed certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  const send = () => Promise.reject(new TypeError("fetch failed", { cause: system }));
  const transport = fetchTransport({ baseUrl: "https://127.0.0.1:1", fetch: send });
  const error = await failure(createClient(Gateway, transport).executeCommand({}));
  expect(error.message).toBe("unavailable: the gateway cannot be reached (self-signed certificate)");
  const nameless = () =>
    Promise.reject(new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "ECONNREFUSED" }) }));
  const login = getJson("https://127.0.0.1:1/keys", { fetch: nameless });
  await expect(login).rejects.toThrow("no answer from https://127.0.0.1:1/keys (ECONNREFUSED)");
});

describe("a stream", () => {
  test("is read in whatever chunks it arrives", async () => {
    const bytes = new Uint8Array([...ENVELOPE, ...ENVELOPE, ...END]);
    for (const size of [1, 4, 7, 1000, bytes.byteLength]) {
      const chunks = Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, at) =>
        bytes.subarray(at * size, (at + 1) * size),
      );
      answer = () => stream(...chunks);
      expect(await received()).toHaveLength(2);
    }
  });

  test("that is cut off fails as unavailable, even between two messages", async () => {
    for (const cut of [ENVELOPE.byteLength, ENVELOPE.byteLength - 1, 3]) {
      answer = () => stream(ENVELOPE, ENVELOPE.subarray(0, cut));
      expect(await failure(received())).toMatchObject({ code: "unavailable", retryable: true });
    }
  });

  test("ends with the error in its last message", async () => {
    const error = { error: { code: "resource_exhausted", message: "too slow" } };
    answer = () => stream(ENVELOPE, encodeEnvelope(2, new TextEncoder().encode(JSON.stringify(error))));
    expect(await failure(received())).toMatchObject({ code: "resource_exhausted", rawMessage: "too slow" });
  });

  test("that is compressed, or has a message that cannot be decoded, fails", async () => {
    for (const envelope of [encodeEnvelope(1, new Uint8Array(3)), encodeEnvelope(0, new Uint8Array([255, 255]))]) {
      answer = () => stream(envelope, END);
      expect((await failure(received())).code).toBe("internal");
    }
  });

  test("with a message of 4 GiB fails before the message is read", async () => {
    answer = () => stream(new Uint8Array([0, 255, 255, 255, 255]), new Uint8Array(10));
    expect((await failure(received())).code).toBe("resource_exhausted");
  });
});

describe("a call", () => {
  test("posts a binary message with its timeout", async () => {
    let seen: Headers | undefined;
    answer = ({ headers }) => {
      seen = headers;
      return new Response(new Uint8Array(), { headers: { "content-type": "application/proto" } });
    };
    await gateway.executeCommand({}, { timeoutMs: 1500, headers: { "accept-language": "pl" } });
    const names = ["content-type", "connect-protocol-version", "connect-timeout-ms", "accept-language"];
    expect(names.map((name) => seen?.get(name))).toEqual(["application/proto", "1", "1500", "pl"]);
  });

  test.each([Number.POSITIVE_INFINITY, 2 ** 31, 1e12])(
    "with a timeout of %d ms does not end at once, and sends a timeout that the gateway accepts",
    async (timeoutMs) => {
      const sent: (string | null)[] = [];
      answer = async ({ headers }) => {
        sent.push(headers.get("connect-timeout-ms"));
        await Bun.sleep(50);
        return new Response(new Uint8Array(), { headers: { "content-type": "application/proto" } });
      };
      await gateway.executeCommand({}, { timeoutMs });
      expect(sent).toEqual(["2147483647"]);
    },
  );

  test("fails with the code of a Connect error, or of the HTTP status of a proxy", async () => {
    const body = JSON.stringify({ code: "failed_precondition", message: "no" });
    const answers: [string, () => Response][] = [
      ["failed_precondition", () => new Response(body, { status: 400, headers: { "content-type": "application/json" } })],
      ["unavailable", () => new Response("<html>", { status: 503, headers: { "content-type": "text/html" } })],
      ["unavailable", () => new Response("<html>", { status: 502, headers: { "content-type": "text/html" } })],
      ["unknown", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
      ["unavailable", () => new Response("", { status: 302, headers: { location: "https://elsewhere.example/" } })],
      ["internal", () => new Response(new Uint8Array([255]), { headers: { "content-type": "application/proto" } })],
    ];
    for (const [code, give] of answers) {
      answer = give;
      expect([code, (await failure(gateway.executeCommand({}))).code]).toEqual([code, code]);
    }
  });

  test("fails as unavailable if nothing listens, and as its own reason if it is aborted or too slow", async () => {
    const nobody = createClient(Gateway, fetchTransport({ baseUrl: "http://127.0.0.1:1" }));
    expect(await failure(nobody.executeCommand({}))).toMatchObject({ code: "unavailable", retryable: true });
    answer = () => new Promise<Response>(() => {});
    expect(await failure(gateway.executeCommand({}, { timeoutMs: 20 }))).toMatchObject({ code: "deadline_exceeded" });
    expect(await failure(gateway.executeCommand({}, { signal: AbortSignal.abort() }))).toMatchObject({ code: "canceled" });
    expect(Code.Canceled).toBe(1);
  });
});

test("the envelope decoder copies the bytes of a large message a bounded number of times", () => {
  const decoder = new EnvelopeDecoder(1 << 24);
  const large = encodeEnvelope(0, new Uint8Array(1 << 24));
  let found = 0;
  for (let at = 0; at < large.byteLength; at += 256) {
    for (const { data } of decoder.decode(large.subarray(at, at + 256))) found += data.byteLength;
  }
  expect(found).toBe(1 << 24);
});
