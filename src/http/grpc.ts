import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { type ListenAddress, ListenError, localUrl, type TlsIdentity } from "../core/listen.ts";
import type { Log, Peer } from "../core/ports.ts";
import type { RpcServer } from "../rpc/server.ts";
import { type AnswerRequest, answerStream } from "./h2-fetch.ts";
import { H2Request, sendReply } from "./h2-host.ts";
import type { RenewableListener } from "./listener.ts";
import type { PeerResolver } from "./peer-address.ts";

/** What serves the streams of a connection. */
export interface GrpcService {
  readonly rpc: RpcServer<Peer>;
  readonly peers: PeerResolver;
  readonly log: Log;
  /** Answers what only the edge knows how to, where it is served on the same port: public REST, the keys, pages of other origins. */
  readonly edge?: AnswerRequest | undefined;
}

export interface GrpcParts extends GrpcService {
  readonly listen: ListenAddress;
  readonly tls?: TlsIdentity | undefined;
}

/** An HTTP/2 server without a port of its own. */
export interface GrpcServer {
  /** Serves a connection that somebody else has accepted: paused, with its first bytes put back. */
  accept(socket: Socket, peerAddress: string): void;
  /** Tells the connections to go away (GOAWAY), and waits for the streams that are still open. */
  drain(): Promise<void>;
  /** Cuts whatever is still open. */
  close(): void;
}

/** Streams that one connection may hold open at once (RFC 9113 6.5.2). */
const CONCURRENT_STREAMS_MAX = 250;
/** Header fields of a request, uncompressed. */
const HEADER_LIST_BYTES_MAX = 32 * 1024;

/**
 * Opens the gRPC listener: HTTP/2 with trailers, which `Bun.serve` does not have. Connect and gRPC-Web are served here too, by the
 * same RPC layer.
 */
export async function openGrpc(parts: GrpcParts): Promise<RenewableListener> {
  const server = createH2Server(parts.tls);
  const sessions = serveSessions(server, parts);
  const address = await listen(server, parts.listen);
  return {
    address,
    url: localUrl(address, parts.tls === undefined ? "http" : "https"),
    renewTls: (tls) => {
      if ("setSecureContext" in server) server.setSecureContext(secureOptions(tls));
    },
    drain: () => drain(server, sessions),
    close: async () => close(server, sessions),
  };
}

/** The same without a port, for a listener that accepts connections of several kinds. */
export function createGrpcServer(service: GrpcService): GrpcServer {
  const server = createServer({ settings: SETTINGS });
  const sessions = serveSessions(server, service);
  return {
    accept(socket, peerAddress) {
      // A stream reaches its socket by its session alone, so that the socket is where it can find whose it is.
      Object.defineProperty(socket, "remoteAddress", { value: peerAddress });
      server.emit("connection", socket);
      socket.resume();
    },
    drain: () => drain(server, sessions),
    close: () => close(server, sessions),
  };
}

const SETTINGS = { maxConcurrentStreams: CONCURRENT_STREAMS_MAX, maxHeaderListSize: HEADER_LIST_BYTES_MAX };

/** Serves every stream; gives the sessions that are open, from now on. */
function serveSessions(server: Http2Server | Http2SecureServer, service: GrpcService): ReadonlySet<ServerHttp2Session> {
  const sessions = new Set<ServerHttp2Session>();
  const isPlain = plainCalls(service.rpc);
  const withoutEdge = { ...service, edge: undefined };
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => session.destroy());
  });
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    serveStream(stream, headers, isPlain(headers) ? withoutEdge : service);
  });
  return sessions;
}

function createH2Server(tls: TlsIdentity | undefined): Http2Server | Http2SecureServer {
  if (tls === undefined) return createServer({ settings: SETTINGS });
  return createSecureServer({ settings: SETTINGS, allowHTTP1: false, ...secureOptions(tls) });
}

/** A client certificate is demanded where there is an authority to check it by, and never otherwise. */
export function secureOptions({ certificate: cert, privateKey: key, clientAuthority: ca }: TlsIdentity) {
  return ca === undefined ? { cert, key } : { cert, key, ca, requestCert: true, rejectUnauthorized: true };
}

async function serveStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, service: GrpcService): Promise<void> {
  // A stream that fails has been reset by its client; the sinks notice that it is closed.
  stream.on("error", () => {});
  const { rpc, peers, edge } = service;
  try {
    const socketAddress = stream.session?.socket?.remoteAddress;
    const peer = peers.resolve(socketAddress, () => headers[peers.header]?.toString() ?? null);
    const request = new H2Request(stream, headers, peer);
    if (edge !== undefined) await answerStream(stream, request, edge);
    else sendReply(stream, await rpc.handle(request));
  } catch (error) {
    service.log.error("unexpected", { cause: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
    stream.close();
  }
}

/** Which requests the RPC layer alone can answer: gRPC, which needs its trailers, and calls of its methods from outside a browser. */
function plainCalls(rpc: RpcServer<Peer>): (headers: IncomingHttpHeaders) => boolean {
  const paths = new Set(rpc.paths);
  return (headers) => {
    if (/^application\/grpc(?!-web)/i.test(headers["content-type"] ?? "")) return true;
    return headers.origin === undefined && paths.has(headers[":path"] ?? "");
  };
}

function listen(server: Http2Server | Http2SecureServer, address: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new ListenError("the gRPC listener", address, error)));
    server.listen(address.port, address.host, () => {
      // A TCP server's address is never a pipe's name.
      const { port } = server.address() as AddressInfo;
      resolve({ host: address.host, port });
    });
  });
}

/** Stops accepting, tells the connections to go away (GOAWAY), and waits for the streams that are still open. */
async function drain(server: Http2Server | Http2SecureServer, sessions: ReadonlySet<ServerHttp2Session>): Promise<void> {
  const closed = [...sessions].map((session) => new Promise<void>((resolve) => session.once("close", () => resolve())));
  // First the connections: Bun's server.close() ends idle ones itself, and close() on one that has ended never calls back.
  for (const session of sessions) session.close();
  server.close();
  await Promise.all(closed);
}

function close(server: Http2Server | Http2SecureServer, sessions: ReadonlySet<ServerHttp2Session>): void {
  server.close();
  for (const session of sessions) session.destroy();
}
