import { type DescMessage, type DescMethod, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type Transport } from "@connectrpc/connect";
import { compressedFlag, createMethodUrl, encodeEnvelope, runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import {
  endStreamFlag,
  endStreamFromJson,
  errorFromJsonBytes,
  requestHeader,
  trailerDemux,
  validateResponse,
} from "@connectrpc/connect/protocol-connect";
import { chunksOf, readBody } from "./body.ts";
import { copyOf } from "./bytes.ts";
import { EnvelopeDecoder } from "./envelope-decoder.ts";
import type { Fetch } from "./rest.ts";

export interface FetchTransportOptions {
  /** The URL of the gateway's edge, such as https://gateway.example. */
  readonly baseUrl: string;
  /** Sends the HTTP requests. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
}

/** Maximum size of one message. A gateway can be configured to send payloads of up to 64 MiB. A hostile server sends any amount. */
const MESSAGE_BYTES_MAX = 65 * 1024 * 1024;

/**
 * Creates a connect-es transport: the Connect protocol over `fetch`, with binary messages.
 *
 * `createConnectTransport` of `@connectrpc/connect-web` speaks the same protocol. Its JSON codec adds a fifth to a bundle.
 */
export function fetchTransport({ baseUrl, fetch: send = globalFetch }: FetchTransportOptions): Transport {
  return {
    unary: (method, signal, timeoutMs, header, message, contextValues = createContextValues()) =>
      runUnaryCall({
        ...limitsOf(signal, timeoutMs),
        req: {
          ...headOf(baseUrl, method, timeoutMs, header),
          stream: false,
          service: method.parent,
          method,
          contextValues,
          message,
        },
        next: async (request) => {
          const response = await post(send, request, toBinary(method.input, request.message));
          const { isUnaryError, unaryError } = validateResponse("unary", true, response.status, response.headers);
          const bytes = await readBody(response, MESSAGE_BYTES_MAX);
          if (bytes === undefined) throw new ConnectError("the answer is too large", Code.ResourceExhausted);
          if (isUnaryError) throw errorFromJsonBytes(bytes, response.headers, unaryError);
          const [header, trailer] = trailerDemux(response.headers);
          return { stream: false, service: method.parent, method, header, trailer, message: parse(method.output, bytes) };
        },
      }),

    stream: (method, signal, timeoutMs, header, input, contextValues = createContextValues()) =>
      runStreamingCall({
        ...limitsOf(signal, timeoutMs),
        req: {
          ...headOf(baseUrl, method, timeoutMs, header),
          ...{ stream: true, service: method.parent, method, contextValues, message: input },
        },
        next: async (request) => {
          const first = await request.message[Symbol.asyncIterator]().next();
          const body = first.done ? new Uint8Array() : toBinary(method.input, first.value);
          const response = await post(send, request, encodeEnvelope(0, body));
          validateResponse(method.methodKind, true, response.status, response.headers);
          const trailer = new Headers();
          const message = messagesOf(method.output, response, trailer);
          return { ...request, header: response.headers, trailer, message };
        },
      }),
  };
}

const globalFetch: Fetch = (url, init) => fetch(url, init);

/** Returns the limits without undefined members, because the types of connect-es do not allow `undefined`. */
function limitsOf(
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): { signal?: AbortSignal; timeoutMs?: number } {
  return { ...(signal && { signal }), ...(timeoutMs !== undefined && timeoutMs > 0 && { timeoutMs }) };
}

function headOf(baseUrl: string, method: DescMethod, timeoutMs: number | undefined, header: HeadersInit | undefined) {
  const sentTimeoutMs = timeoutMs !== undefined && timeoutMs > 0 ? Math.ceil(timeoutMs) : undefined;
  return {
    requestMethod: "POST",
    url: createMethodUrl(baseUrl, method),
    header: requestHeader(method.methodKind, true, sentTimeoutMs, header, false),
  };
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
    signal.throwIfAborted();
    throw new ConnectError("the gateway cannot be reached", Code.Unavailable, undefined, undefined, error);
  }
}

function parse<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new ConnectError("the answer is not a message of the contract", Code.Internal, undefined, undefined, error);
  }
}

/** Yields the messages of a stream. Throws the error with which the server ends the stream, or that it ends without its end. */
async function* messagesOf<D extends DescMessage>(
  schema: D,
  response: Response,
  trailer: Headers,
): AsyncGenerator<MessageShape<D>, void, undefined> {
  const decoder = new EnvelopeDecoder(MESSAGE_BYTES_MAX);
  for await (const chunk of chunksOf(response.body)) {
    for (const { flags, data } of decoder.decode(chunk)) {
      if (flags & compressedFlag) throw new ConnectError("the answer is compressed, which was not offered", Code.Internal);
      if ((flags & endStreamFlag) === 0) yield parse(schema, data);
      else return finish(data, response.headers, trailer);
    }
  }
  throw new ConnectError("the stream was cut off", Code.Unavailable);
}

function finish(endStream: Uint8Array, headers: Headers, trailer: Headers): void {
  const { error, metadata } = endStreamFromJson(endStream);
  metadata.forEach((value, name) => {
    trailer.set(name, value);
  });
  if (error === undefined) return;
  headers.forEach((value, name) => {
    error.metadata.append(name, value);
  });
  throw error;
}
