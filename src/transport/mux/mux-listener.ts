import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import type { Peer } from "../../core/admission.ts";
import { describeCause } from "../../core/cause.ts";
import { LocalHeldCounts } from "../../core/held-counts.ts";
import { type ListenAddress, ListenError, localUrl, serverTlsOptions, type TlsIdentity } from "../../core/listen.ts";
import { listenOn, type OpenedAddress } from "../../core/listen-on.ts";
import { RestError } from "../../core/rest-reply.ts";
import type { BunListener } from "../bun/bun-listener.ts";
import { type EdgeParts, edgeRoutes, type FindPeer, openEdge } from "../bun/edge.ts";
import { answerExact } from "../bun/exact-app.ts";
import { createGrpcServer, type GrpcServer } from "../h2/grpc-listener.ts";
import type { AnswerRequest } from "../h2/h2-fetch.ts";
import { type ConnectionLimits, connectionLimits } from "../limits/connection-limits.ts";
import { Connections } from "../limits/connections.ts";
import { FdBudget } from "../limits/fd-budget.ts";
import type { RenewableListener } from "../listener.ts";
import { type Origin, sniffProtocol, startsAsHttp2, stripProxyHeader } from "../protocol-sniffer.ts";
import { SharablePort } from "../sharable-port.ts";
import { LOOPBACK, LoopbackProxy } from "./loopback-proxy.ts";
import { pipeRequests } from "./pipes.ts";

export type MuxParts = Omit<EdgeParts, "findPeer">;

/**
 * Opens one public port for all protocols. The gRPC server serves connections that start with the HTTP/2 preface. The loopback
 * proxy forwards all other connections to the edge, which listens on loopback:
 *
 *     client ── [PROXY header] ── [TLS] ──┬─ HTTP/2 preface ──► gRPC server
 *                                         └─ anything else ───► loopback proxy ──► edge
 *
 * - The gRPC server passes requests that need the edge, such as requests for public REST, to the edge's routes.
 * - If a trusted proxy sends a PROXY header, the address in the header replaces the address of the socket. The forwarding
 *   header (X-Forwarded-For or Forwarded) is read only if the new address is a trusted proxy too.
 * - Without trusted proxies, the public port terminates TLS. With trusted proxies, the public port reads the PROXY header, and
 *   an inner listener on loopback terminates TLS.
 */
export async function openMuxListener(parts: MuxParts): Promise<RenewableListener> {
  const listener = new MuxListener(parts);
  try {
    await listener.listen();
  } catch (error) {
    await listener.close();
    throw new ListenError("the edge", parts.listen, error);
  }
  return listener;
}

class MuxListener implements RenewableListener {
  readonly #parts: MuxParts;
  readonly #limits: ConnectionLimits;
  readonly #connections: Connections;
  /**
   * Connections that the inner TLS listener has accepted. Each of them carries the bytes of one connection of `#connections`.
   */
  readonly #inner: Connections;
  readonly #edge: BunListener;
  readonly #toEdge: LoopbackProxy;
  readonly #grpc: GrpcServer;
  /** The loopback proxy that forwards to the inner TLS listener. `undefined` if TLS is off or no proxy is trusted. */
  #toTls: LoopbackProxy | undefined;
  #tls: TlsServer | undefined;
  readonly #servers: Server[] = [];
  #opened: OpenedAddress;
  readonly #port = new SharablePort(() => this.bound);

  constructor(parts: MuxParts) {
    const { rpc, peers, log } = parts;
    const peerByRequest = new WeakMap<Request, Peer>();
    const findPeer: FindPeer = (request, socket) => {
      const peer = peerByRequest.get(request);
      if (peer !== undefined) return peer;
      const address = socket === null ? undefined : this.#toEdge.addressOf(socket);
      if (address === undefined) throw new RestError("misdirected");
      return peers.resolve(address, () => request.headers.get(peers.header));
    };
    const edgeParts: EdgeParts = { ...parts, listen: { host: LOOPBACK, port: 0 }, tls: undefined, findPeer };
    const routes = edgeRoutes(edgeParts);
    const edge: AnswerRequest = (request, path, peer) => {
      peerByRequest.set(request, peer);
      return answerExact(routes, request, path);
    };
    this.#parts = parts;
    this.#limits = connectionLimits(parts.limits);
    this.#connections = new Connections("edge", this.#limits, peers);
    const uncounted = { totalMax: Number.POSITIVE_INFINITY, counts: new LocalHeldCounts(), fds: new FdBudget(), onCount() {} };
    this.#inner = new Connections("inner", { ...this.#limits, ...uncounted }, peers);
    this.#edge = openEdge(edgeParts);
    this.#toEdge = new LoopbackProxy(this.#edge.address.port, log, pipeRequests);
    this.#grpc = createGrpcServer({ rpc, peers, log, edge, limits: parts.limits });
    this.#opened = { address: parts.listen, bound: parts.listen };
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

  /** Opens the inner listeners, then the public port. */
  async listen(): Promise<void> {
    const { listen, tls, peers, log } = this.#parts;
    const secure = tls && this.#createTls(tls);
    this.#tls = secure;
    if (secure !== undefined && peers.hasTrustedProxies) {
      const { address } = await this.#open(secure, { host: LOOPBACK, port: 0 });
      this.#toTls = new LoopbackProxy(address.port, log);
    }
    const isTlsOutermost = secure !== undefined && this.#toTls === undefined;
    this.#opened = await this.#open(isTlsOutermost ? secure : createServer((socket) => this.#accept(socket)), listen);
  }

  async #open(server: Server, address: ListenAddress): Promise<OpenedAddress> {
    this.#servers.push(server);
    const opened = await listenOn(server, address);
    server.on("error", (error) => this.#parts.log.error("mux listener failed", { cause: error.message }));
    return opened;
  }

  renewTls(tls: TlsIdentity): void {
    this.#tls?.setSecureContext(serverTlsOptions(tls));
  }

  sharePort(): void {
    this.#port.share();
  }

  retire(): void {
    this.#edge.endReuse();
    this.#grpc.retire();
    this.#port.stopAccepting();
  }

  async drain(): Promise<void> {
    this.#stopAccepting();
    this.#connections.closeUnidentified();
    this.#inner.closeUnidentified();
    await Promise.all([this.#edge.drain(), this.#grpc.drain()]);
    // The loopback proxy may still hold a part of a response. After the edge is closed, each connection of the proxy ends when
    // its client has received the response.
    await this.#edge.close();
    this.#toEdge.closeUnused();
    await Promise.all([this.#toEdge.idle(), this.#toTls?.idle()]);
  }

  async close(): Promise<void> {
    this.#port.close();
    this.#stopAccepting();
    for (const proxy of [this.#toEdge, this.#toTls]) proxy?.close();
    this.#grpc.close();
    this.#connections.closeAll();
    this.#inner.closeAll();
    await this.#edge.close();
  }

  #stopAccepting(): void {
    for (const server of this.#servers) if (server.listening) server.close();
  }

  /** Accepts a connection of the public port. Called only if the public port does not terminate TLS. */
  #accept(socket: Socket): void {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return void socket.destroy();
    if (!this.#admit(socket, remoteAddress)) return;
    const isTrusted = this.#parts.peers.isTrusted(remoteAddress);
    const origin = (bytes: Buffer) => stripProxyHeader(bytes, isTrusted);
    const toTls = this.#toTls;
    if (toTls === undefined) this.#dispatch(socket, remoteAddress, origin);
    else
      this.#sniff(socket, remoteAddress, origin, ({ address, bytes }) => {
        if (this.#connections.reserveProxyFds(socket)) toTls.open(socket, bytes, address);
      });
  }

  /**
   * Adds the connection to the open connections and returns true. If a connection limit is reached, destroys the connection and
   * returns false.
   */
  #admit(socket: Socket, address: string): boolean {
    return this.#connections.add(socket) && this.#connections.countForNetwork(socket, address);
  }

  #createTls(tls: TlsIdentity): TlsServer {
    // The order prefers HTTP/2, because a gRPC client that offers both protocols needs HTTP/2.
    const options = { ...serverTlsOptions(tls), ALPNProtocols: ["h2", "http/1.1"] };
    const server = createTlsServer({ ...options, handshakeTimeout: this.#limits.firstBytesTimeoutMs });
    server.on("connection", (socket) => {
      if (this.#toTls !== undefined) this.#inner.add(socket);
      else if (socket.remoteAddress === undefined) socket.destroy();
      else this.#admit(socket, socket.remoteAddress);
    });
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    server.on("secureConnection", (socket) => {
      const { remoteAddress: address, remotePort: port } = socket;
      const peerAddress = this.#toTls === undefined ? address : this.#toTls.addressOf({ address, port });
      if (peerAddress === undefined) socket.destroy();
      else this.#dispatch(socket, peerAddress, (bytes) => ({ address: undefined, bytes }));
    });
    return server;
  }

  /**
   * Reads the PROXY header and the HTTP version from the first bytes, and passes the connection to the gRPC server or to the
   * edge.
   */
  #dispatch(socket: Socket, socketAddress: string, origin: (bytes: Buffer) => Origin | undefined): void {
    const decide = (all: Buffer) => {
      const found = origin(all);
      const isHttp2 = found && startsAsHttp2(found.bytes);
      return found === undefined || isHttp2 === undefined ? undefined : { ...found, isHttp2 };
    };
    this.#sniff(socket, socketAddress, decide, ({ address, bytes, isHttp2 }) => {
      if (!isHttp2) return void (this.#connections.reserveProxyFds(socket) && this.#toEdge.open(socket, bytes, address));
      this.#grpc.accept(socket, address, bytes);
    });
  }

  /**
   * Reads the first bytes until `decide` returns a result. If a PROXY header names a client, counts the connection for the
   * client's network.
   */
  #sniff<T extends Origin>(
    socket: Socket,
    socketAddress: string,
    decide: (bytes: Buffer) => T | undefined,
    onIdentified: (sniffed: T & { readonly address: string }) => void,
  ): void {
    sniffProtocol(socket, decide, {
      identified: (sniffed) => {
        this.#connections.identified(socket);
        this.#inner.identified(socket);
        const { address = socketAddress } = sniffed;
        if (address !== socketAddress && !this.#connections.countForNetwork(socket, address)) return;
        onIdentified({ ...sniffed, address });
      },
      rejected: (cause) => {
        this.#parts.log.warn("connection with invalid first bytes closed", {
          peer: socketAddress,
          cause: describeCause(cause),
        });
      },
    });
  }
}
