import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { type ListenAddress, ListenError, localUrl, type TlsIdentity } from "../../core/listen.ts";
import { listenOn, type OpenedAddress } from "../../core/listen-on.ts";
import type { Peer } from "../../core/ports.ts";
import { RestError } from "../../core/rest-reply.ts";
import { type EdgeParts, edgeRoutes, type FindPeer, openEdge } from "../bun/edge.ts";
import { answerExact } from "../bun/exact-app.ts";
import { createGrpcServer, type GrpcServer } from "../h2/grpc-listener.ts";
import type { AnswerRequest } from "../h2/h2-fetch.ts";
import { type ConnectionLimits, connectionLimits } from "../limits/connection-limits.ts";
import { Connections } from "../limits/connections.ts";
import { FdBudget } from "../limits/fd-budget.ts";
import type { RenewableListener } from "../listener.ts";
import { serverTlsOptions } from "../tls/server-tls.ts";
import { LOOPBACK, LoopbackProxy } from "./loopback-proxy.ts";
import { pipeRequests } from "./pipes.ts";
import { type Origin, sniffProtocol, startsAsHttp2, stripProxyHeader } from "./protocol-sniffer.ts";

export type MuxParts = Omit<EdgeParts, "findPeer">;

/**
 * One public port for everything. A connection that begins as HTTP/2 is served here, by the gRPC server; any other is relayed to
 * the edge, which listens on loopback:
 *
 *     client ── [PROXY header] ── [TLS] ──┬─ HTTP/2 preface ──► gRPC server (its RPCs; all else by the edge's routes, in process)
 *                                         └─ anything else ───► relay ──► edge
 *
 * The address in the PROXY header of a trusted proxy takes the place of the socket's; X-Forwarded-For is then judged from there.
 * TLS follows a PROXY header on a listener of its own on loopback, so that without trusted proxies nothing stands before it.
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
  /** Of TLS behind a PROXY header: each is one of the connections above, once more. */
  readonly #inner: Connections;
  readonly #edge: RenewableListener;
  readonly #toEdge: LoopbackProxy;
  readonly #grpc: GrpcServer;
  /** Where TLS stands behind a PROXY header. */
  #toTls: LoopbackProxy | undefined;
  #tls: TlsServer | undefined;
  readonly #servers: Server[] = [];
  #opened: OpenedAddress;

  constructor(parts: MuxParts) {
    const { rpc, peers, log } = parts;
    const bridged = new WeakMap<Request, Peer>();
    const findPeer: FindPeer = (request, socket) => {
      const peer = bridged.get(request);
      if (peer !== undefined) return peer;
      const address = socket === null ? undefined : this.#toEdge.addressOf(socket);
      if (address === undefined) throw new RestError("misdirected");
      return peers.resolve(address, () => request.headers.get(peers.header));
    };
    const edgeParts: EdgeParts = { ...parts, listen: { host: LOOPBACK, port: 0 }, tls: undefined, findPeer };
    const routes = edgeRoutes(edgeParts);
    const edge: AnswerRequest = (request, path, peer) => {
      bridged.set(request, peer);
      return answerExact(routes, request, path);
    };
    this.#parts = parts;
    this.#limits = connectionLimits(parts.limits);
    this.#connections = new Connections(this.#limits, peers);
    this.#inner = new Connections({ ...this.#limits, totalMax: Number.POSITIVE_INFINITY, fds: new FdBudget() }, peers);
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

  /** Opens the public port, last of all. */
  async listen(): Promise<void> {
    const { listen, tls, peers, log } = this.#parts;
    const secure = tls && this.#createTls(tls);
    this.#tls = secure;
    if (secure !== undefined && peers.hasTrustedProxies) {
      const { address } = await this.#open(secure, { host: LOOPBACK, port: 0 });
      this.#toTls = new LoopbackProxy(address.port, log);
    }
    const isTlsOutermost = secure !== undefined && this.#toTls === undefined;
    this.#opened = await this.#open(isTlsOutermost ? secure : createServer((socket) => this.#arrive(socket)), listen);
  }

  async #open(server: Server, address: ListenAddress): Promise<OpenedAddress> {
    this.#servers.push(server);
    const opened = await listenOn(server, address);
    server.on("error", (error) => this.#parts.log.error("front: listener", { cause: error.message }));
    return opened;
  }

  renewTls(tls: TlsIdentity): void {
    this.#tls?.setSecureContext(serverTlsOptions(tls));
  }

  async drain(): Promise<void> {
    this.#stopAccepting();
    this.#connections.closeUnidentified();
    this.#inner.closeUnidentified();
    await Promise.all([this.#edge.drain(), this.#grpc.drain()]);
    // Answered is not delivered: closed by the edge, each connection ends when its client has taken what is on its way.
    await this.#edge.close();
    this.#toEdge.cutUnused();
    await Promise.all([this.#toEdge.idle(), this.#toTls?.idle()]);
  }

  async close(): Promise<void> {
    this.#stopAccepting();
    for (const relay of [this.#toEdge, this.#toTls]) relay?.close();
    this.#grpc.close();
    this.#connections.closeAll();
    this.#inner.closeAll();
    await this.#edge.close();
  }

  #stopAccepting(): void {
    for (const server of this.#servers) if (server.listening) server.close();
  }

  /** A connection before TLS, or without it. */
  #arrive(socket: Socket): void {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return void socket.destroy();
    if (!this.#admit(socket, remoteAddress)) return;
    const isTrusted = this.#parts.peers.isTrusted(remoteAddress);
    const origin = (bytes: Buffer) => stripProxyHeader(bytes, isTrusted);
    const toTls = this.#toTls;
    if (toTls === undefined) this.#sort(socket, remoteAddress, origin);
    else
      this.#read(socket, remoteAddress, origin, ({ address, bytes }) => {
        if (this.#connections.reserveProxyFds(socket)) toTls.open(socket, bytes, address);
      });
  }

  /** Whether there is room for one more. */
  #admit(socket: Socket, address: string): boolean {
    return this.#connections.add(socket) && this.#connections.countForNetwork(socket, address);
  }

  #createTls(tls: TlsIdentity): TlsServer {
    // HTTP/2 first: gRPC clients that offer both would not be served over the other.
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
      else this.#sort(socket, peerAddress, (bytes) => ({ address: undefined, bytes }));
    });
    return server;
  }

  /** A connection on which HTTP comes next, once its origin is known. */
  #sort(socket: Socket, socketAddress: string, origin: (bytes: Buffer) => Origin | undefined): void {
    const decide = (all: Buffer) => {
      const found = origin(all);
      const isHttp2 = found && startsAsHttp2(found.bytes);
      return found === undefined || isHttp2 === undefined ? undefined : { ...found, isHttp2 };
    };
    this.#read(socket, socketAddress, decide, ({ address, bytes, isHttp2 }) => {
      if (!isHttp2) return void (this.#connections.reserveProxyFds(socket) && this.#toEdge.open(socket, bytes, address));
      this.#grpc.accept(socket, address, bytes);
    });
  }

  /** Reads the first bytes within the time there is for it. */
  #read<T extends Origin>(
    socket: Socket,
    socketAddress: string,
    decide: (bytes: Buffer) => T | undefined,
    onDecided: (opening: T & { readonly address: string }) => void,
  ): void {
    sniffProtocol(socket, decide, {
      decided: (opening) => {
        this.#connections.identified(socket);
        this.#inner.identified(socket);
        const { address = socketAddress } = opening;
        // Whom a proxy speaks for counts as if it had come by itself.
        if (address !== socketAddress && !this.#connections.countForNetwork(socket, address)) return;
        onDecided({ ...opening, address });
      },
      refused: (cause) => {
        this.#parts.log.warn("front: refused", { peer: socketAddress, cause: String(cause) });
      },
    });
  }
}
