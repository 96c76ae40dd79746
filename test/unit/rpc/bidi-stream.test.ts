import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:http2";
import type { MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import type { Peer } from "../../../src/core/admission.ts";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponseSchema,
} from "../../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import type { Call } from "../../../src/rpc/call.ts";
import type { OutgoingStream } from "../../../src/rpc/outgoing-stream.ts";
import { bidiStream } from "../../../src/rpc/service.ts";
import { RawH2 } from "../../support/raw-h2.ts";
import { H2_VARIANTS, openRpcListeners, type RpcListeners } from "../../support/rpc-listeners.ts";
import { until } from "../../support/until.ts";

/** Any bidirectional method will do; of this one's messages the tests use one text each way. */
const METHOD = ServerReflection.method.serverReflectionInfo;
const PATH = `/${ServerReflection.typeName}/${METHOD.name}`;
const REQUEST_BYTES_MAX = 64 * 1024;

type Requests = AsyncIterable<MessageShape<typeof ServerReflectionRequestSchema>>;
type Answer = OutgoingStream<typeof ServerReflectionResponseSchema>;

/** What the handler of the test at hand does, and what has become of it: `thrown` by the reading of requests. */
let handle: (requests: Requests, stream: Answer, call: Call<Peer>) => Promise<void>;
let outcome: { requests: string[]; finished: boolean; thrown: unknown };
let listeners: RpcListeners;

beforeAll(async () => {
  const method = bidiStream(METHOD, async (requests, call: Call<Peer>, stream) => handle(requests, stream, call));
  listeners = await openRpcListeners([method], REQUEST_BYTES_MAX);
});

afterAll(() => listeners.close());

/** Reads to the end, says each message back where `echoes`, and takes down how it went. */
function reading({ echoes = true, opens = false } = {}): void {
  outcome = { requests: [], finished: false, thrown: undefined };
  const current = outcome;
  handle = async (requests, stream) => {
    if (opens) stream.open();
    try {
      for await (const { host } of requests) {
        current.requests.push(host);
        if (echoes) stream.send({ validHost: host });
      }
      current.finished = true;
      stream.end();
    } catch (error) {
      current.thrown = error;
      throw error;
    }
  };
}

async function* saying(...hosts: string[]) {
  for (const host of hosts) yield { host };
}

async function hear(transport: Transport, requests: AsyncIterable<{ host: string }>): Promise<string[]> {
  const heard: string[] = [];
  try {
    for await (const { validHost } of createClient(ServerReflection, transport).serverReflectionInfo(requests)) {
      heard.push(validHost);
    }
  } catch (error) {
    heard.push(Code[ConnectError.from(error).code]);
  }
  return heard;
}

describe.each(H2_VARIANTS.map((variant) => [variant.name, variant] as const))("%s", (_, { open }) => {
  const transport = () => open(listeners);

  test("each message is answered while the client is still thinking of the next", async () => {
    reading();
    const answers: string[] = [];
    let answered = Promise.withResolvers<void>();
    async function* conversation() {
      for (const host of ["one", "two", "three"]) {
        yield { host };
        await answered.promise;
        answered = Promise.withResolvers();
      }
    }
    for await (const { validHost } of createClient(ServerReflection, transport()).serverReflectionInfo(conversation())) {
      answers.push(validHost);
      answered.resolve();
    }
    expect(answers).toEqual(["one", "two", "three"]);
    expect(listeners.done.at(-1)).toMatchObject({ method: METHOD.name, thrown: undefined });
  });

  test("many messages arrive, all and in order", async () => {
    reading();
    const hosts = Array.from({ length: 500 }, (_, at) => `${at} ${"x".repeat(at)}`);
    expect(await hear(transport(), saying(...hosts))).toEqual(hosts);
  });

  test("a client that says nothing is answered all the same", async () => {
    reading();
    expect(await hear(transport(), saying())).toEqual([]);
    expect(outcome.finished).toBe(true);
  });

  test("a message over the limit ends the call, after the answers before it", async () => {
    reading();
    expect(await hear(transport(), saying("small", "x".repeat(REQUEST_BYTES_MAX)))).toEqual(["small", "ResourceExhausted"]);
  });

  test("an answer may end before the requests do", async () => {
    handle = async (requests, stream) => {
      for await (const { host } of requests) {
        stream.send({ validHost: host });
        break;
      }
      stream.end();
    };
    const over = Promise.withResolvers<void>();
    async function* withoutEnd() {
      yield { host: "one" };
      await over.promise;
    }
    expect(await hear(transport(), withoutEnd())).toEqual(["one"]);
    over.resolve();
  });

  test("what a handler throws unexpectedly stays here", async () => {
    handle = () => Promise.reject(new Error("secret"));
    expect(await hear(transport(), saying("one"))).toEqual(["Internal"]);
  });
});

const HOSTS = [
  {
    name: "the gRPC listener",
    url: () => listeners.grpc.url,
    contentType: "application/grpc",
    timeout: { "grpc-timeout": "50m" },
  },
  {
    name: "the edge",
    url: () => listeners.edge.url,
    contentType: "application/connect+proto",
    timeout: { "connect-timeout-ms": "50" },
  },
] as const;

const ONE_MESSAGE = Buffer.from([0, 0, 0, 0, 5, 10, 3, ...Buffer.from("one")]);

describe.each(HOSTS.map((host) => [host.name, host] as const))("on %s", (_, { url, contentType, timeout }) => {
  const requestHeaders = { ":method": "POST", ":path": PATH, "content-type": contentType };
  const begin = () => {
    const client = new RawH2(url());
    client.headers({ ":scheme": "http", ":authority": "localhost", ...requestHeaders });
    client.data(ONE_MESSAGE);
    return client;
  };

  test.each([
    ["before anything was answered", false],
    ["when the answer has begun", true],
  ])("a client that leaves in the middle is not taken for one that has said everything: %s", async (_, opens) => {
    for (const leave of [
      (client: RawH2) => client.reset(8),
      (client: RawH2) => client.reset(0),
      (client: RawH2) => client.destroy(),
    ]) {
      reading({ echoes: false, opens });
      const client = begin();
      await until(() => outcome.requests.length === 1, "the first message");
      leave(client);
      await until(() => outcome.thrown !== undefined || outcome.finished, "the requests to end");
      expect(outcome).toMatchObject({ requests: ["one"], finished: false, thrown: { code: Code.Canceled } });
      client.destroy();
    }
  });

  test("a client whose time is up is told, and is not taken for one that has said everything", async () => {
    reading();
    const session = connect(url());
    const call = session.request({ ...requestHeaders, ...timeout });
    let end = "";
    call.on("data", (chunk) => {
      end += chunk;
    });
    call.once("trailers", (trailers) => {
      end += `grpc-status ${trailers["grpc-status"]}`;
    });
    call.write(ONE_MESSAGE);
    await new Promise((resolve) => call.once("close", resolve));
    expect(end).toMatch(/"code":"deadline_exceeded"|grpc-status 4/);
    expect(outcome).toMatchObject({ requests: ["one"], finished: false, thrown: { code: Code.DeadlineExceeded } });
    session.destroy();
  });

  test("a client that ends within a message is refused", async () => {
    reading();
    const client = begin();
    client.data(ONE_MESSAGE.subarray(0, 7), { end: true });
    await until(() => outcome.thrown !== undefined || outcome.finished, "the requests to end");
    expect(outcome.thrown).toMatchObject({ code: Code.InvalidArgument });
    client.destroy();
  });

  test("a client that sends on and on waits until it is read: its messages do not pile up here", async () => {
    const read = Promise.withResolvers<void>();
    handle = async (requests, stream) => {
      for await (const _ of requests) await read.promise;
      stream.end();
    };
    const total = 1024;
    const message = Buffer.concat([Buffer.from([0, 0, 0, 0x40, 0]), Buffer.from([10, 0xfd, 0x7f]), Buffer.alloc(0x3ffd, "x")]);
    const session = connect(url());
    const call = session.request(requestHeaders);
    let sent = 0;
    const send = () => call.write(message, () => ++sent < total && send());
    send();
    // Round trips on the same connection: whatever could be sent has been by then.
    for (let at = 0; at < 100; at++) await new Promise((resolve) => session.ping(resolve));
    expect(sent * message.length).toBeLessThan(4 * 1024 * 1024);
    read.resolve();
    await until(() => sent === total, "the rest to be taken");
    call.destroy();
    session.destroy();
  });

  test("a stream whose answer is whole does not stay open for the rest of its request", async () => {
    handle = async (_, stream) => {
      stream.send({ validHost: "x".repeat(200_000) });
      stream.end();
    };
    const session = connect(url());
    const call = session.request(requestHeaders);
    let bytes = 0;
    call.on("data", (chunk: Uint8Array) => {
      bytes += chunk.byteLength;
    });
    await new Promise((resolve) => call.once("close", resolve));
    expect(call.rstCode).toBe(0);
    expect(bytes).toBeGreaterThan(200_000);
    session.destroy();
  });
});

test("over HTTP/1.1 the answers come, if only when everything has been said", async () => {
  reading();
  const transport = createConnectTransport({ baseUrl: listeners.edge.url, httpVersion: "1.1" });
  expect(await hear(transport, saying("one", "two"))).toEqual(["one", "two"]);
});

test("compressed requests are read", async () => {
  reading();
  const transport = createGrpcTransport({ baseUrl: listeners.grpc.url, sendCompression: compressionGzip, compressMinBytes: 0 });
  const long = "x".repeat(5000);
  expect(await hear(transport, saying("short", long))).toEqual(["short", long]);
});
