import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  createAsyncIterable,
  pipe,
  type UniversalClientFn,
  type UniversalClientResponse,
  validateReadWriteMaxBytes,
} from "@connectrpc/connect/protocol";
import * as connectProtocol from "@connectrpc/connect/protocol-connect";
import * as grpcProtocol from "@connectrpc/connect/protocol-grpc";
import * as grpcWebProtocol from "@connectrpc/connect/protocol-grpc-web";
import { createNodeHttpClient } from "@connectrpc/connect-node";
import type { Log } from "../../core/telemetry.ts";
import { Push } from "../../gen/sallyport/v1/push_pb.ts";
import { feedHint } from "../diagnosis/feed-hint.ts";
import { PushConnection } from "./push-connection.ts";
import { type FeedFrame, unwrap, wrapMessages } from "./push-frames.ts";

export type PushProtocol = "grpc" | "connect" | "grpc-web";

export interface PushTransportOptions {
  /**
   * URL of the backend's Push service. The service is called over HTTP/2: with TLS if the URL is https, without TLS (h2c) if
   * the URL is http.
   */
  readonly url: string;
  readonly protocol: PushProtocol;
  /**
   * The gateway's token for the backend, or a function that returns the current one. It is sent to the backend as
   * `Authorization: Bearer …`, with each new stream.
   */
  readonly token?: string | (() => string | undefined) | undefined;
  /** Time without data before a ping is sent on the connection (see `PingOptions.intervalMs`). */
  readonly pingIntervalMs?: number | undefined;
  /** Maximum time between a ping and its answer (see `PingOptions.timeoutMs`). */
  readonly pingTimeoutMs?: number | undefined;
  readonly connectTimeoutMs?: number | undefined;
  /** Maximum length of a message, in bytes. A longer message is skipped. */
  readonly messageBytesMax?: number | undefined;
  readonly log?: Log | undefined;
}

export interface FeedRequest {
  readonly gatewayId: string;
  readonly cursor: string;
}

export interface FeedCall {
  readonly signal: AbortSignal;
  /** Called when the response headers of the stream arrive. */
  readonly onHeader: () => void;
}

/** The connection to the backend's Push service. */
export interface PushLink {
  /** Scheme, host and port of `PushTransportOptions.url`, for log lines. */
  readonly url: string;
  /** Opens a new connection and closes the previous connection. Throws a ConnectError. */
  connect(): Promise<void>;
  /**
   * Opens one stream and yields its messages. If a message cannot be read, yields the reason (`FrameFault`) in place of the
   * message. Throws a ConnectError.
   */
  subscribe(request: FeedRequest, call: FeedCall): AsyncIterable<FeedFrame>;
  /** Resolves to a hint for operators: what to change in the configuration. Resolves to `undefined` if there is no hint. */
  explain(error: ConnectError, signal: AbortSignal): Promise<string | undefined>;
  /** Closes the connection and aborts the calls on it. */
  close(): void;
}

/**
 * Default time without data before a ping is sent. By default, a gRPC server accepts pings at intervals of 5 minutes or more
 * (gRFC A8). The gateway adds 10 s, because the network may delay one ping more than the next.
 */
const PING_INTERVAL_MS = 310_000;
const PING_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Timeout of each connection that `explain` opens to detect the protocols of the server, in ms. */
const EXPLAIN_TIMEOUT_MS = 2_000;
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Maximum number of bytes by which `wrapMessages` makes a message longer. */
const WRAPPING_BYTES = 64;

/**
 * The RPC `SubscribePush`, but with messages of type Any. `wrapMessages` wraps the bytes of each message in an Any, and
 * push-message.ts decodes these bytes.
 */
const SUBSCRIBE = { ...Push.method.subscribePush, output: AnySchema };

/** Creates a link that uses the protocol `options.protocol`. The link opens no connection until `connect()` is called. */
export function openPushLink(options: PushTransportOptions): PushLink {
  const { url, log } = options;
  const origin = new URL(url).origin;
  const connection = new PushConnection({
    url,
    pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
    pingTimeoutMs: options.pingTimeoutMs ?? PING_TIMEOUT_MS,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    onTooManyPings(pingMs) {
      log?.warn("push feed ping rate refused (too_many_pings)", { url: origin, next_ping_ms: pingMs });
    },
  });
  const transport = createTransport(options, connection);
  return {
    url: origin,
    connect: () => connection.open(),
    subscribe: (request, call) => subscribe(transport, request, call),
    explain: (error, signal) =>
      feedHint(error, { url, hasToken: currentToken(options) !== undefined, timeoutMs: EXPLAIN_TIMEOUT_MS, signal }),
    close: () => connection.close(),
  };
}

async function* subscribe(transport: Transport, request: FeedRequest, { signal, onHeader }: FeedCall) {
  const input = createAsyncIterable([request]);
  const { message } = await transport.stream(SUBSCRIBE, signal, undefined, undefined, input);
  onHeader();
  for await (const any of message) yield unwrap(any);
}

function createTransport(options: PushTransportOptions, connection: PushConnection): Transport {
  const { url, protocol, messageBytesMax = MESSAGE_BYTES_MAX } = options;
  const { endFlag, create } = PROTOCOLS[protocol];
  const http = createNodeHttpClient({ httpVersion: "2", sessionProvider: () => connection });
  const httpClient: UniversalClientFn = async (request) => {
    const response = await http(request);
    if (protocol === "grpc-web") requireGrpcWeb(response);
    const body = pipe(response.body, wrapMessages({ messageBytesMax, endFlag }), { propagateDownStreamError: true });
    return { ...response, body };
  };
  return create({
    baseUrl: url,
    httpClient,
    interceptors: [bearer(options)],
    acceptCompression: [],
    sendCompression: null,
    useBinaryFormat: true,
    ...validateReadWriteMaxBytes(messageBytesMax + WRAPPING_BYTES, undefined, undefined),
  });
}

/** connect-es 2.2.0 accepts every content type over gRPC-Web. Without this check, an HTML page would count as an open feed. */
function requireGrpcWeb({ status, header }: UniversalClientResponse): void {
  const type = header.get("content-type") ?? "none";
  if (status >= 200 && status < 300 && !type.startsWith("application/grpc-web")) {
    throw new ConnectError(`unsupported content type ${type}`, Code.Unknown);
  }
}

const PROTOCOLS = {
  grpc: { endFlag: 0, create: grpcProtocol.createTransport },
  "grpc-web": { endFlag: grpcWebProtocol.trailerFlag, create: grpcWebProtocol.createTransport },
  connect: { endFlag: connectProtocol.endStreamFlag, create: connectProtocol.createTransport },
} as const satisfies Record<PushProtocol, unknown>;

function currentToken({ token }: PushTransportOptions): string | undefined {
  return typeof token === "function" ? token() : token;
}

function bearer(options: PushTransportOptions): Interceptor {
  return (next) => (request) => {
    const token = currentToken(options);
    if (token !== undefined) request.header.set("Authorization", `Bearer ${token}`);
    return next(request);
  };
}
