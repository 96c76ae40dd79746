import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";

export type PushProtocol = "grpc" | "connect" | "grpc-web";

export interface PushTransportOptions {
  /** Where the backend serves Push, over HTTP/2: h2c for http, TLS for https. */
  readonly url: string;
  readonly protocol: PushProtocol;
  /** Sent as `Authorization: Bearer …`, where it is configured. */
  readonly token?: string | undefined;
  /** How long a connection may be quiet before it is asked for a sign of life. */
  readonly pingIntervalMs?: number;
  /** How long that may take; then the connection is dead. */
  readonly pingTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** A longer message ends the stream. */
  readonly messageBytesMax?: number;
}

/** The connection to the backend's Push service. */
export interface PushLink {
  /** Where the backend is, for the log. */
  readonly url: string;
  readonly transport: Transport;
  /** Opens the connection, or sees that it is still alive. Throws a ConnectError. */
  connect(): Promise<void>;
  /** Cuts the connection and whatever is under way on it. */
  close(): void;
}

const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** A link by one of the three protocols. A peer that died without a word is noticed by HTTP/2 pings that stay unanswered. */
export function openPushLink(options: PushTransportOptions): PushLink {
  const sessionManager = new Http2SessionManager(options.url, {
    pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
    pingTimeoutMs: options.pingTimeoutMs ?? PING_TIMEOUT_MS,
  });
  return {
    url: new URL(options.url).origin,
    transport: createTransport(options, sessionManager),
    connect: () => connect(sessionManager, options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS),
    close: () => sessionManager.abort(),
  };
}

function createTransport(options: PushTransportOptions, sessionManager: Http2SessionManager): Transport {
  const common = {
    baseUrl: options.url,
    sessionManager,
    interceptors: options.token === undefined ? [] : [bearer(options.token)],
    acceptCompression: [],
    readMaxBytes: options.messageBytesMax ?? MESSAGE_BYTES_MAX,
    useBinaryFormat: true,
  };
  if (options.protocol === "grpc") return createGrpcTransport(common);
  if (options.protocol === "connect") return createConnectTransport({ ...common, httpVersion: "2" });
  return createGrpcWebTransport({ ...common, httpVersion: "2" });
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("Authorization", `Bearer ${token}`);
    return next(request);
  };
}

async function connect(sessionManager: Http2SessionManager, timeoutMs: number): Promise<void> {
  const timeUp = new ConnectError("the backend did not take the connection in time", Code.Unavailable);
  const timer = setTimeout(() => sessionManager.abort(timeUp), timeoutMs);
  try {
    if ((await sessionManager.connect()) === "error") throw ConnectError.from(sessionManager.error(), Code.Unavailable);
  } finally {
    clearTimeout(timer);
  }
}
