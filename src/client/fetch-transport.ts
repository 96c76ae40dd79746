import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createMethodUrl, encodeEnvelope } from "@connectrpc/connect/protocol";
import { chunksOf, readBody } from "./body.ts";
import { copyOf } from "./bytes.ts";
import { CallSignal } from "./call-signal.ts";
import { connectErrorOf, httpError } from "./connect-error.ts";
import { EnvelopeDecoder } from "./envelope-decoder.ts";
import { member } from "./json.ts";
import { payloadFromBytes } from "./payload.ts";
import type { Fetch } from "./rest.ts";
import { timerMs } from "./timer-ms.ts";
import { whyFetchFailed } from "./why-fetch-failed.ts";

export interface FetchTransportOptions {
  /** The URL of the gateway's edge, such as https://gateway.example. */
  readonly baseUrl: string;
  /** Sends the HTTP requests. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
}

const UNARY_TYPE = "application/proto";
const STREAM_TYPE = "application/connect+proto";
/** Flags of the messages of a stream (Connect protocol, "Streaming-Response"). */
const COMPRESSED = 1;
const END_STREAM = 2;

/** Maximum size of one message. A gateway sends payloads of at most 64 MiB. A hostile server could send more. */
const MESSAGE_BYTES_MAX = 65 * 1024 * 1024;

/**
 * Creates a connect-es transport: the Connect protocol over `fetch`, with binary messages.
 *
 * `createConnectTransport` of `@connectrpc/connect-web` speaks the same protocol, but its JSON codec makes an app's bundle a fifth
 * larger.
 */
export function fetchTransport({ baseUrl, fetch: send = globalFetch }: FetchTransportOptions): Transport {
  return {
    async unary(method, signal, timeoutMs, header, message) {
      const call = new CallSignal(signal, timeoutMs);
      try {
        const request = {
          url: createMethodUrl(baseUrl, method),
          header: headerOf(UNARY_TYPE, timeoutMs, header),
          signal: call.signal,
        };
        const response = await post(send, request, toBinary(method.input, create(method.input, message)));
        const bytes = await readBody(response, MESSAGE_BYTES_MAX);
        if (bytes === undefined) throw new ConnectError("the answer is too large", Code.ResourceExhausted);
        if (response.status !== 200)
          throw connectErrorOf(payloadFromBytes(bytes), httpError(response.status, response.headers));
        checkType(response, UNARY_TYPE);
        const { headers } = response;
        const answer = parse(method.output, bytes);
        return { stream: false, service: method.parent, method, header: headers, trailer: new Headers(), message: answer };
      } catch (error) {
        throw call.errorOf(error);
      } finally {
        call.end();
      }
    },

    async stream(method, signal, timeoutMs, header, input) {
      const call = new CallSignal(signal, timeoutMs);
      try {
        const request = {
          url: createMethodUrl(baseUrl, method),
          header: headerOf(STREAM_TYPE, timeoutMs, header),
          signal: call.signal,
        };
        const response = await post(send, request, encodeEnvelope(0, await firstOf(method.input, input)));
        if (response.status !== 200) throw httpError(response.status, response.headers);
        checkType(response, STREAM_TYPE);
        if (response.body === undefined) throw new ConnectError("this fetch delivers no streams", Code.Unimplemented);
        const message = endingWith(call, messagesOf(method.output, response));
        return { stream: true, service: method.parent, method, header: response.headers, trailer: new Headers(), message };
      } catch (error) {
        call.end();
        throw call.errorOf(error);
      }
    },
  };
}

const globalFetch: Fetch = (url, init) => fetch(url, init);

function headerOf(type: string, timeoutMs: number | undefined, given: HeadersInit | undefined): Headers {
  const headers = new Headers(given);
  if (timeoutMs !== undefined && timeoutMs > 0) headers.set("connect-timeout-ms", `${timerMs(Math.ceil(timeoutMs))}`);
  headers.set("content-type", type);
  headers.set("connect-protocol-version", "1");
  return headers;
}

function checkType({ headers }: Response, expected: string): void {
  const type = headers.get("content-type");
  if (type?.split(";")[0]?.trim().toLowerCase() !== expected)
    throw new ConnectError(`unsupported content type ${type}`, Code.Unknown);
}

/** Encodes the only request message of a call that opens a server stream. */
export async function firstOf<D extends DescMessage>(
  schema: D,
  input: AsyncIterable<MessageInitShape<D>>,
): Promise<Uint8Array> {
  const first = await input[Symbol.asyncIterator]().next();
  return first.done ? new Uint8Array() : toBinary(schema, create(schema, first.value));
}

/** Yields the messages, and ends the call after the last one. */
async function* endingWith<T>(call: CallSignal, messages: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  try {
    yield* messages;
  } catch (error) {
    throw call.errorOf(error);
  } finally {
    call.end();
  }
}

async function post(
  send: Fetch,
  request: { readonly url: string; readonly header: Headers; readonly signal: AbortSignal },
  body: Uint8Array,
): Promise<Response> {
  const { url, header: headers, signal } = request;
  try {
    return await send(url, { method: "POST", headers, body: copyOf(body), signal, redirect: "error" });
  } catch (error) {
    // After an abort, the caller throws the reason of the abort.
    if (signal.aborted) throw error;
    throw new ConnectError(
      `the gateway cannot be reached${whyFetchFailed(error)}`,
      Code.Unavailable,
      undefined,
      undefined,
      error,
    );
  }
}

function parse<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new ConnectError("the answer is not a message of the contract", Code.Internal, undefined, undefined, error);
  }
}

/**
 * Yields the messages of a stream. Throws the error with which the server ends the stream. Throws `unavailable` if the stream is
 * cut off.
 */
async function* messagesOf<D extends DescMessage>(
  schema: D,
  response: Response,
): AsyncGenerator<MessageShape<D>, void, undefined> {
  const decoder = new EnvelopeDecoder(MESSAGE_BYTES_MAX);
  for await (const chunk of chunksOf(response.body)) {
    for (const { flags, data } of decoder.decode(chunk)) {
      if (flags & COMPRESSED) throw new ConnectError("the answer is compressed, which was not offered", Code.Internal);
      if ((flags & END_STREAM) === 0) yield parse(schema, data);
      else return finish(data);
    }
  }
  throw new ConnectError("the stream was cut off", Code.Unavailable);
}

/** If the last message of a stream contains an error, throws this error (Connect protocol, "EndStreamResponse"). */
function finish(endStream: Uint8Array): void {
  const invalid = new ConnectError("invalid end stream", Code.Unknown);
  const json = payloadFromBytes(endStream);
  if (typeof json !== "object" || json === null) throw invalid;
  const error = member(json, "error");
  if (error) throw connectErrorOf(error, invalid);
}
