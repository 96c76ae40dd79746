import { constants, createServer as createH2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import type { Peer } from "../../core/admission.ts";
import { describeCause } from "../../core/cause.ts";
import { type ListenAddress, ListenError, localUrl, serverTlsOptions, type TlsIdentity } from "../../core/listen.ts";
import { listenOn, type OpenedAddress } from "../../core/listen-on.ts";
import type { Log } from "../../core/telemetry.ts";
import { endOnSmallTable, FilteredSocket } from "../../hpack/filtered-socket.ts";
import { mayHaveSmallTable } from "../../hpack/table-size-filter.ts";
import type { RpcServer } from "../../rpc/server.ts";
import { isOneHost } from "../host-field.ts";
import { type ConnectionLimits, connectionLimits } from "../limits/connection-limits.ts";
import { Connections } from "../limits/connections.ts";
import type { RenewableListener } from "../listener.ts";
import type { PeerResolver } from "../peer/peer-address.ts";
import { sniffProtocol, startsAsHttp2 } from "../protocol-sniffer.ts";
import { SharablePort } from "../sharable-port.ts";
import { H2Connections } from "./h2-connections.ts";
import { type AnswerRequest, answerStream } from "./h2-fetch.ts";
import { H2Request, sendReply } from "./h2-host.ts";
import { H2Stalls } from "./h2-stalls.ts";

/** The parts that answer the requests of a connection. Each request is one HTTP/2 stream. */
export interface GrpcService {
  readonly rpc: RpcServer<Peer>;
  readonly peers: PeerResolver;
  readonly log: Log;
  /**
   * Answers the requests that need the edge: requests for public REST or for the JWKS, and cross-origin requests of browsers. Set
   * only if the edge uses the same port.
   */
  readonly edge?: AnswerRequest | undefined;
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

export interface GrpcListenerParts extends GrpcService {
  readonly listen: ListenAddress;
  readonly tls?: TlsIdentity | undefined;
}

/** An HTTP/2 server without a port. A listener passes accepted connections to it. */
export interface GrpcServer {
  /**
   * Serves an accepted connection. `socket` must be paused. `first` contains the bytes that were already read from `socket`.
   */
  accept(socket: Socket, peerAddress: string, first: Buffer): void;
  /** Sends GOAWAY, so that clients use other connections for further calls. The connections stay open. */
  retire(): void;
  /** Sends GOAWAY on all connections. Resolves when all open streams have ended. */
  drain(): Promise<void>;
  /** Destroys all connections. */
  close(): void;
}

/**
 * SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 6.5.2): maximum number of open streams per connection. Envoy recommends this value
 * for public listeners.
 */
const CONCURRENT_STREAMS_MAX = 100;
/** SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 6.5.2): maximum size of the headers of one request. The edge has the same limit. */
const HEADER_LIST_BYTES_MAX = 16 * 1024;

/**
 * Opens the gRPC listener. It uses `node:http2`, because gRPC needs trailers and `Bun.serve` cannot send trailers. The listener
 * also serves Connect and gRPC-Web.
 */
export async function openGrpcListener(parts: GrpcListenerParts): Promise<RenewableListener> {
  const listener = new GrpcListener(parts);
  await listener.listen();
  return listener;
}

class GrpcListener implements RenewableListener {
  readonly #parts: GrpcListenerParts;
  readonly #connections: Connections;
  readonly #grpc: GrpcServer;
  readonly #server: Server | TlsServer;
  #opened: OpenedAddress;
  readonly #port = new SharablePort(() => this.bound);

  constructor(parts: GrpcListenerParts) {
    const limits = connectionLimits(parts.limits);
    this.#parts = parts;
    this.#opened = { address: parts.listen, bound: parts.listen };
    this.#connections = new Connections("grpc", limits, parts.peers);
    this.#grpc = createGrpcServer(parts);
    this.#server = this.#createServer(limits);
  }

  get address(): ListenAddress {
    return this.#opened.address;
  }

  get bound(): ListenAddress {
    return this.#opened.bound;
  }

  get url(): string {
    return localUrl(this.address, this.#parts.tls === undefined ? "http" : "https");
  }

  async listen(): Promise<void> {
    try {
      this.#opened = await listenOn(this.#server, this.#parts.listen);
    } catch (error) {
      await this.close();
      throw new ListenError("the gRPC listener", this.#parts.listen, error);
    }
    this.#server.on("error", (error) => this.#parts.log.error("grpc listener failed", { cause: error.message }));
  }

  renewTls(tls: TlsIdentity): void {
    if ("setSecureContext" in this.#server) this.#server.setSecureContext(serverTlsOptions(tls));
  }

  sharePort(): void {
    this.#port.share();
  }

  retire(): void {
    this.#grpc.retire();
    this.#port.stopAccepting();
  }

  async drain(): Promise<void> {
    this.#stopAccepting();
    this.#connections.closeUnidentified();
    await this.#grpc.drain();
  }

  async close(): Promise<void> {
    this.#port.close();
    this.#stopAccepting();
    this.#grpc.close();
    this.#connections.closeAll();
  }

  #stopAccepting(): void {
    if (this.#server.listening) this.#server.close();
  }

  #createServer({ firstBytesTimeoutMs }: ConnectionLimits): Server | TlsServer {
    const { tls } = this.#parts;
    if (tls === undefined) return createServer((socket) => this.#accept(socket) && this.#sniff(socket));
    const server = createTlsServer({ ...serverTlsOptions(tls), ALPNProtocols: ["h2"], handshakeTimeout: firstBytesTimeoutMs });
    server.on("connection", (socket) => this.#accept(socket));
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    server.on("secureConnection", (socket) => this.#sniff(socket));
    return server;
  }

  #accept(socket: Socket): boolean {
    const { remoteAddress } = socket;
    if (!this.#connections.add(socket)) return false;
    if (remoteAddress !== undefined) return this.#connections.countForNetwork(socket, remoteAddress);
    socket.destroy();
    return false;
  }

  /**
   * Reads the first bytes of the connection. If they are the HTTP/2 preface, passes the connection to the HTTP/2 server. If
   * they are not, closes the connection.
   */
  #sniff(socket: Socket): void {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return void socket.destroy();
    sniffProtocol(socket, requireHttp2, {
      identified: (first) => {
        this.#connections.identified(socket);
        this.#grpc.accept(socket, remoteAddress, first);
      },
      rejected: (cause) =>
        this.#parts.log.debug("connection with invalid first bytes closed", {
          peer: remoteAddress,
          cause: describeCause(cause),
        }),
    });
  }
}

/**
 * Returns `bytes` if they start with the HTTP/2 preface, and `undefined` if more bytes are needed to decide. Throws if they
 * start differently.
 */
function requireHttp2(bytes: Buffer): Buffer | undefined {
  const isHttp2 = startsAsHttp2(bytes);
  if (isHttp2 === false) throw new Error("the connection does not start with the HTTP/2 preface");
  return isHttp2 ? bytes : undefined;
}

/** Creates an HTTP/2 server without a port. The caller accepts the connections. */
export function createGrpcServer(service: GrpcService): GrpcServer {
  const limits = connectionLimits(service.limits);
  const connections = new H2Connections(limits);
  const stalls = new H2Stalls(limits.stallTimeoutMs);
  const server = createH2Server({ settings: SETTINGS });
  const isRpcOnly = rpcOnlyMatcher(service.rpc);
  const withoutEdge = { ...service, edge: undefined };
  server.on("session", (connection) => {
    connections.add(connection);
    endOnSmallTable(connection);
  });
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    connections.streamOpened(stream);
    stalls.watch(stream);
    serveStream(stream, headers, isRpcOnly(headers) ? withoutEdge : service, limits);
  });
  return {
    accept(socket, peerAddress, first) {
      const served = servedSocket(socket, first);
      // `serveStream` reads the peer's address from the socket's property `remoteAddress`. The property is overwritten, because
      // the real address may come from a PROXY header.
      Object.defineProperty(served, "remoteAddress", { value: peerAddress });
      server.emit("connection", served);
      served.resume();
    },
    retire: () => connections.retire(),
    drain: () => connections.drain(),
    close() {
      connections.close();
      stalls.close();
    },
  };
}

const SETTINGS = { maxConcurrentStreams: CONCURRENT_STREAMS_MAX, maxHeaderListSize: HEADER_LIST_BYTES_MAX };

/**
 * Returns the socket for `node:http2`. Bun ignores SETTINGS_HEADER_TABLE_SIZE. So if a client may have set a smaller table, a
 * filter around the socket adapts Bun's header blocks (`TableSizeFilter`).
 */
function servedSocket(socket: Socket, first: Buffer): Duplex {
  socket.unshift(first);
  return mayHaveSmallTable(first) ? new FilteredSocket(socket, "server") : socket;
}

async function serveStream(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  service: GrpcService,
  { bodyTimers }: ConnectionLimits,
): Promise<void> {
  // An error event means that the client reset the stream. It needs no action, because a close event follows. The listeners of the
  // close event handle the reset.
  stream.on("error", () => {});
  const { rpc, peers, edge } = service;
  if (!isOneHost(headers[":authority"], headers.host)) return refuseHost(stream);
  try {
    const socketAddress = stream.session?.socket?.remoteAddress;
    const peer = peers.resolve(socketAddress, () => headers[peers.header]?.toString() ?? null);
    const request = new H2Request(stream, headers, peer, bodyTimers);
    if (edge !== undefined) await answerStream(stream, request, edge);
    else sendReply(stream, await rpc.handle(request), request);
  } catch (error) {
    service.log.error("unexpected error in HTTP/2 stream", { cause: describeCause(error) });
    stream.close();
  }
}

function refuseHost(stream: ServerHttp2Stream): void {
  stream.respond({ [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_BAD_REQUEST }, { endStream: true });
  stream.resume();
}

/**
 * Returns a function that decides whether the RPC layer answers a request without the edge. The returned function returns
 * true for two kinds of requests:
 *
 * - gRPC requests, because they need trailers
 * - RPCs without an Origin header, because they need no CORS
 */
function rpcOnlyMatcher(rpc: RpcServer<Peer>): (headers: IncomingHttpHeaders) => boolean {
  const paths = new Set(rpc.paths);
  return (headers) => {
    if (/^application\/grpc(?!-web)/i.test(headers["content-type"] ?? "")) return true;
    return headers.origin === undefined && paths.has(headers[":path"] ?? "");
  };
}
