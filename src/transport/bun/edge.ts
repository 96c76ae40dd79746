import type { Peer } from "../../core/admission.ts";
import { describeCause } from "../../core/cause.ts";
import type { EndpointSource, HttpEndpoint } from "../../core/http-endpoint.ts";
import type { ListenAddress, TlsIdentity } from "../../core/listen.ts";
import { PATH_SEGMENTS_MAX } from "../../core/path-pattern.ts";
import { RestError } from "../../core/rest-reply.ts";
import type { Log } from "../../core/telemetry.ts";
import type { RpcServer } from "../../rpc/server.ts";
import { type ConnectionLimits, connectionLimits } from "../limits/connection-limits.ts";
import type { PeerResolver, SocketEnd } from "../peer/peer-address.ts";
import { type BunListener, openBunListener } from "./bun-listener.ts";
import type { Cors } from "./cors.ts";
import { type AppServer, type ChangingPaths, type ExactRoutes, exactApp, type RouteHandler } from "./exact-app.ts";
import { IDLE_TIMEOUT_SECONDS } from "./fetch-body.ts";
import { FetchRequest, readBounded, toResponse } from "./fetch-host.ts";
import { pathOf, queryOf } from "./request-url.ts";

export interface EdgeParts {
  readonly listen: ListenAddress;
  readonly tls?: TlsIdentity | undefined;
  readonly requestBytesMax: number;
  readonly rpc: RpcServer<Peer>;
  /** Plain HTTP endpoints that are served in addition to the RPCs, such as public REST. */
  readonly endpoints: readonly HttpEndpoint[];
  /** Plain HTTP endpoints whose paths can change while the edge runs. The paths of `rpc` and `endpoints` take precedence. */
  readonly publicRoutes: EndpointSource;
  readonly peers: PeerResolver;
  /**
   * Resolves the peer of a request. Throws RestError if the request must be refused. By default, `peers` resolves the peer from
   * the socket address and the forwarding header.
   */
  readonly findPeer?: FindPeer | undefined;
  readonly cors: Cors;
  readonly log: Log;
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

/**
 * `socket` is the remote end of the connection. It is `null` if the connection is closed, or if `Bun.serve` did not accept it.
 */
export type FindPeer = (request: Request, socket: SocketEnd | null) => Peer;

/**
 * Minimum of Bun's own limit for request bodies, in bytes. If a body exceeds this limit, Bun closes the connection without a
 * response. So the limit is well above `requestBytesMax`: handlers can then refuse most large bodies with a response. Handlers
 * discard a refused body, so it takes no memory.
 */
const RUNTIME_BODY_BYTES_MIN = 64 * 1024 * 1024;

/** Opens the edge. It serves RPCs and plain HTTP endpoints on one port, over HTTP/1.1 and HTTP/2. */
export function openEdge(parts: EdgeParts): BunListener {
  return openBunListener((reuse) => exactApp(edgeRoutes(parts), reuse), {
    what: "the edge",
    listen: parts.listen,
    tls: parts.tls,
    bodyBytesMax: Math.max(RUNTIME_BODY_BYTES_MIN, 2 * parts.requestBytesMax),
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
  });
}

/** Returns the routes of the edge, without opening a port. */
export function edgeRoutes(parts: EdgeParts): ExactRoutes {
  const { rpc, peers, cors } = parts;
  const resolveSocketPeer: FindPeer = (request, socket) =>
    peers.resolve(socket?.address, () => request.headers.get(peers.header));
  const { findPeer = resolveSocketPeer } = parts;
  const { bodyTimers } = connectionLimits(parts.limits);
  const peerOf = (request: Request, server: AppServer) => findPeer(request, server?.requestIP(request) ?? null);
  const call = async (request: Request, path: string, server: AppServer) => {
    const reply = await rpc.handle(new FetchRequest(request, path, peerOf(request, server), bodyTimers));
    return toResponse(reply, request, server);
  };

  const serve = (endpoint: HttpEndpoint, path: string, request: Request, server: AppServer) => {
    const readBody = (bytesMax: number) => readBounded(request, bytesMax, bodyTimers);
    const answer = () =>
      endpoint.serve({ request, path, query: queryOf(request.url), peer: peerOf(request, server), readBody });
    return cors.answer(request, answer, endpoint);
  };

  const routes: Record<string, RouteHandler> = {};
  for (const path of rpc.paths) {
    routes[path] = (request, server) => cors.answer(request, () => call(request, path, server));
  }
  for (const endpoint of parts.endpoints) {
    routes[endpoint.path] = (request, server) => serve(endpoint, endpoint.path, request, server);
  }
  const changing: ChangingPaths = {
    segmentsMax: PATH_SEGMENTS_MAX,
    answer(request, path, server) {
      const endpoint = parts.publicRoutes.find(path);
      return endpoint && serve(endpoint, path, request, server);
    },
  };
  const otherwise = unknownTarget(rpc.paths, call);
  return { routes, changing, otherwise, failed: (error) => errorResponse(error, parts.log) };
}

/** Matches paths of the form `/package.Service/Method`. */
const RPC_PATH = /^\/[\w.]+\.[\w]+\/\w+$/;

type Call = (request: Request, path: string, server: AppServer) => Promise<Response>;

/**
 * Answers requests whose target matches no route.
 *
 * - A POST to a path of the form `/package.Service/Method` gets an RPC error for an unknown method.
 * - All other requests get a REST error. This includes a POST whose path is the path of a known method only after Bun normalises
 *   it.
 */
function unknownTarget(served: readonly string[], call: Call): RouteHandler {
  return (request, server) => {
    const path = pathOf(request.url);
    const isUnknownRpc = request.method === "POST" && RPC_PATH.test(path) && !served.includes(path);
    return isUnknownRpc ? call(request, path, server) : new RestError("not_found").toResponse();
  };
}

/**
 * Returns the response for an error. RestErrors are expected, for example from `findPeer`. Any other error is a bug, so its
 * text is logged but not sent.
 */
function errorResponse(error: unknown, log: Log): Response {
  if (error instanceof RestError) return error.toResponse();
  log.error("unexpected error at the edge", { cause: describeCause(error) });
  return new RestError("internal").toResponse();
}
