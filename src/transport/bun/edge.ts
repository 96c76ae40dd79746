import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { HttpEndpoint } from "../../core/http-endpoint.ts";
import type { ListenAddress, TlsIdentity } from "../../core/listen.ts";
import type { Log, Metrics, Peer } from "../../core/ports.ts";
import { RestError } from "../../core/rest-reply.ts";
import type { RpcServer } from "../../rpc/server.ts";
import { type ConnectionLimits, connectionLimits } from "../limits/connection-limits.ts";
import type { RenewableListener } from "../listener.ts";
import type { SocketEnd } from "../mux/loopback-proxy.ts";
import type { PeerResolver } from "../peer/peer-address.ts";
import { openBunListener } from "./bun-listener.ts";
import type { Cors } from "./cors.ts";
import { type Answer, type AppServer, type ExactRoutes, exactApp } from "./exact-app.ts";
import { IDLE_TIMEOUT_SECONDS } from "./fetch-body.ts";
import { FetchRequest, readBounded, toResponse } from "./fetch-host.ts";
import { pathOf } from "./request-url.ts";

export interface EdgeParts {
  readonly listen: ListenAddress;
  readonly tls?: TlsIdentity | undefined;
  readonly requestBytesMax: number;
  readonly rpc: RpcServer<Peer>;
  /** What is served beside the RPCs. */
  readonly endpoints: readonly HttpEndpoint[];
  readonly peers: PeerResolver;
  /** Who asks, where that is not simply who opened the connection. Throws RestError. */
  readonly findPeer?: FindPeer | undefined;
  readonly cors: Cors;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

/** `socket`: of the connection, where it is one of the edge's own and still open. */
export type FindPeer = (request: Request, socket: SocketEnd | null) => Peer;

/**
 * The handlers refuse sooner, and say so in the protocol; beyond this the runtime hangs up without a word. Bodies that were refused are
 * dropped as they come, so it costs no memory.
 */
const BODY_FENCE_BYTES = 64 * 1024 * 1024;

/** Opens the edge: the RPCs, the public REST calls and the gateway's keys, on one port over HTTP/1.1 and h2c. */
export function openEdge(parts: EdgeParts): RenewableListener {
  return openBunListener(() => exactApp(edgeRoutes(parts)), {
    what: "the edge",
    listen: parts.listen,
    tls: parts.tls,
    bodyBytesMax: Math.max(BODY_FENCE_BYTES, 2 * parts.requestBytesMax),
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
  });
}

/** The edge without a port: each route hands the untouched request to the one function that answers it. */
export function edgeRoutes(parts: EdgeParts): ExactRoutes {
  const { rpc, peers, cors } = parts;
  const onSocket: FindPeer = (request, socket) => peers.resolve(socket?.address, () => request.headers.get(peers.header));
  const { findPeer = onSocket } = parts;
  const { bodyTimeoutMs } = connectionLimits(parts.limits);
  const peerOf = (request: Request, server: AppServer) => findPeer(request, server?.requestIP(request) ?? null);
  const call = async (request: Request, path: string, server: AppServer) => {
    const reply = await rpc.handle(new FetchRequest(request, path, peerOf(request, server), bodyTimeoutMs));
    return toResponse(reply, request, server);
  };

  const routes: Record<string, Answer> = {};
  const route = (path: string, answer: Answer) => {
    routes[path] = (request, server) => cors.answer(request, () => answer(request, server));
  };
  for (const path of rpc.paths) route(path, (request, server) => call(request, path, server));
  for (const endpoint of parts.endpoints) {
    route(endpoint.path, (request, server) => {
      const readBody = (bytesMax: number) => readBounded(request, bytesMax, bodyTimeoutMs);
      return endpoint.serve({ request, peer: peerOf(request, server), readBody });
    });
  }
  return { routes, otherwise: unknownTarget(rpc.paths, call), failed: (error) => unexpected(error, parts.log) };
}

/** `/package.Service/Method` */
const RPC_PATH = /^\/[\w.]+\.[\w]+\/\w+$/;

type Call = (request: Request, path: string, server: AppServer) => Promise<Response>;

/**
 * What looks like an RPC of some other service gets an answer of the RPC protocols, the rest that of REST. A target that only
 * normalises to a method's path is not that method.
 */
function unknownTarget(served: readonly string[], call: Call): Answer {
  return (request, server) => {
    const path = pathOf(request.url);
    const isUnknownRpc = request.method === "POST" && RPC_PATH.test(path) && !served.includes(path);
    return isUnknownRpc ? call(request, path, server) : new RestError("not_found").toResponse();
  };
}

/** No handler throws, but for who asks; what comes here besides is a fault of the framework's or ours, and none of it leaves. */
function unexpected(error: unknown, log: Log): Response {
  if (error instanceof RestError) return error.toResponse();
  log.error("unexpected", { cause: describeCause(error) });
  return new RestError("internal").toResponse();
}
