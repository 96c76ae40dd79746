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

/** An arbitrary bidirectional method. The tests use one string field in each direction. */
const METHOD = ServerReflection.method.serverReflectionInfo;
const PATH = `/${ServerReflection.typeName}/${METHOD.name}`;
const REQUEST_BYTES_MAX = 64 * 1024;

type Requests = AsyncIterable<MessageShape<typeof ServerReflectionRequestSchema>>;
type Answer = OutgoingStream<typeof ServerReflectionResponseSchema>;

/** The handler of the current test, and its outcome. `thrown`: the error of reading requests. */
let handle: (requests: Requests, stream: Answer, call: Call<Peer>) => Promise<void>;
let outcome: { requests: string[]; finished: boolean; thrown: unknown };
let listeners: RpcListeners;

beforeAll(async () => {
  const method = bidiStream(METHOD, async (requests, call: Call<Peer>, stream) => handle(requests, stream, call));
  listeners = await openRpcListeners([method], REQUEST_BYTES_MAX);
});

afterAll(() => listeners.close());

/** Sets a handler that reads all requests, echoes them if `echoes`, and records the outcome. */
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

async function* messagesOf(...hosts: string[]) {
  for (const host of hosts) yield { host };
}

async function exchange(transport: Transport, requests: AsyncIterable<{ host: string }>): Promise<string[]> {
  const answers: string[] = [];
  try {
    for await (const { validHost } of createClient(ServerReflection, transport).serverReflectionInfo(requests)) {
      answers.push(validHost);
    }
  } catch (error) {
    answers.push(Code[ConnectError.from(error).code]);
  }
  return answers;
}

describe.each(H2_VARIANTS.map((variant) => [variant.name, variant] as const))("%s", (_, { open }) => {
  const transport = () => open(listeners);

  test("each message is answered before the client sends the next", async () => {
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

  test("500 messages arrive in order", async () => {
    reading();
    const hosts = Array.from({ length: 500 }, (_, at) => `${at} ${"x".repeat(at)}`);
    expect(await exchange(transport(), messagesOf(...hosts))).toEqual(hosts);
  });

  test("a stream without messages ends normally", async () => {
    reading();
    expect(await exchange(transport(), messagesOf())).toEqual([]);
    expect(outcome.finished).toBe(true);
  });

  test("a message over the limit ends the call, after the answers before it", async () => {
    reading();
    expect(await exchange(transport(), messagesOf("small", "x".repeat(REQUEST_BYTES_MAX)))).toEqual([
      "small",
      "ResourceExhausted",
    ]);
  });

  test("a listener for the end gets the error, also if it is set after the end", async () => {
    const ends: unknown[] = [];
    const error = new ConnectError("no more", Code.Aborted);
    handle = async (_requests, stream) => {
      stream.onEnd({ ended: (thrown) => void ends.push(thrown) });
      stream.end(error);
      stream.onEnd({ ended: (thrown) => void ends.push(thrown) });
    };
    expect(await exchange(transport(), messagesOf())).toEqual(["Aborted"]);
    expect(ends).toEqual([error, error]);
  });

  test("the response may end before the requests", async () => {
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
    expect(await exchange(transport(), withoutEnd())).toEqual(["one"]);
    over.resolve();
  });

  test("the text of an unexpected error is not sent", async () => {
    handle = () => Promise.reject(new Error("secret"));
    expect(await exchange(transport(), messagesOf("one"))).toEqual(["Internal"]);
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
    ["before the response started", false],
    ["after the response started", true],
  ])("a disconnect %s makes the handler's iteration throw, not end", async (_, opens) => {
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

  test("a client timeout ends the call with deadline_exceeded, and makes the handler's iteration throw", async () => {
    reading();
    const connection = connect(url());
    const call = connection.request({ ...requestHeaders, ...timeout });
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
    connection.destroy();
  });

  test("a request that ends within a message is refused", async () => {
    reading();
    const client = begin();
    client.data(ONE_MESSAGE.subarray(0, 7), { end: true });
    await until(() => outcome.thrown !== undefined || outcome.finished, "the requests to end");
    expect(outcome.thrown).toMatchObject({ code: Code.InvalidArgument });
    client.destroy();
  });

  test("a client that sends faster than the handler reads is stopped by flow control", async () => {
    const read = Promise.withResolvers<void>();
    handle = async (requests, stream) => {
      for await (const _ of requests) await read.promise;
      stream.end();
    };
    const total = 1024;
    const message = Buffer.concat([Buffer.from([0, 0, 0, 0x40, 0]), Buffer.from([10, 0xfd, 0x7f]), Buffer.alloc(0x3ffd, "x")]);
    const connection = connect(url());
    const call = connection.request(requestHeaders);
    let sent = 0;
    const send = () => call.write(message, () => ++sent < total && send());
    send();
    // After 100 round trips on the connection, everything that flow control allows has been sent.
    for (let at = 0; at < 100; at++) await new Promise((resolve) => connection.ping(resolve));
    expect(sent * message.length).toBeLessThan(4 * 1024 * 1024);
    read.resolve();
    await until(() => sent === total, "the rest to be sent");
    call.destroy();
    connection.destroy();
  });

  test("a stream closes after its complete response, without waiting for the rest of the request", async () => {
    handle = async (_, stream) => {
      stream.send({ validHost: "x".repeat(200_000) });
      stream.end();
    };
    const connection = connect(url());
    const call = connection.request(requestHeaders);
    let bytes = 0;
    call.on("data", (chunk: Uint8Array) => {
      bytes += chunk.byteLength;
    });
    await new Promise((resolve) => call.once("close", resolve));
    expect(call.rstCode).toBe(0);
    expect(bytes).toBeGreaterThan(200_000);
    connection.destroy();
  });
});

test("over HTTP/1.1 all messages are answered after the end of the request", async () => {
  reading();
  const transport = createConnectTransport({ baseUrl: listeners.edge.url, httpVersion: "1.1" });
  expect(await exchange(transport, messagesOf("one", "two"))).toEqual(["one", "two"]);
});

test("compressed messages are decompressed", async () => {
  reading();
  const transport = createGrpcTransport({ baseUrl: listeners.grpc.url, sendCompression: compressionGzip, compressMinBytes: 0 });
  const long = "x".repeat(5000);
  expect(await exchange(transport, messagesOf("short", long))).toEqual(["short", long]);
});
