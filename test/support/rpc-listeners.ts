import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { Peer } from "../../src/core/admission.ts";
import { systemClock } from "../../src/core/clock.ts";
import { refuse } from "../../src/core/refusal.ts";
import { Compressions, gzip } from "../../src/rpc/compression.ts";
import type { CallSummary } from "../../src/rpc/options.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import type { AnyMethod } from "../../src/rpc/service.ts";
import { toConnectError } from "../../src/service/rpc-errors.ts";
import { Cors } from "../../src/transport/bun/cors.ts";
import { openEdge } from "../../src/transport/bun/edge.ts";
import { openGrpcListener } from "../../src/transport/h2/grpc-listener.ts";
import type { Listener } from "../../src/transport/listener.ts";
import { PeerResolver } from "../../src/transport/peer/peer-address.ts";
import { createGrpcWebTextTransport } from "./grpc-web-text.ts";
import { SILENT_LOG } from "./silent-log.ts";
import { UNGUARDED } from "./unguarded.ts";

/** The real listeners, with the methods of a test. */
export interface RpcListeners {
  readonly grpc: Listener;
  readonly edge: Listener;
  /** Every completed call. */
  readonly done: readonly CallSummary<Peer>[];
  close(): Promise<void>;
}

export async function openRpcListeners(
  methods: readonly AnyMethod<Peer>[],
  requestBytesMax = 64 * 1024,
): Promise<RpcListeners> {
  const done: CallSummary<Peer>[] = [];
  const rpc = new RpcServer<Peer>(methods, {
    requestBytesMax,
    tooLarge: () => refuse("REQUEST_TOO_LARGE"),
    compressions: new Compressions([gzip]),
    compressBytesMin: 1024,
    guard: UNGUARDED,
    toConnectError,
    clock: systemClock,
    onDone: (summary) => done.push(summary),
  });
  const common = { listen: { host: "127.0.0.1", port: 0 }, rpc, peers: new PeerResolver([]), log: SILENT_LOG };
  const grpc = await openGrpcListener(common);
  const edge = openEdge({
    ...common,
    requestBytesMax,
    publicRoutes: { find: () => undefined },
    endpoints: [],
    cors: new Cors({ origins: [], maxAgeSeconds: 0 }),
  });
  return { grpc, edge, done, close: async () => void (await Promise.all([grpc.close(), edge.close()])) };
}

/** A protocol and codec over HTTP/2, on one of the listeners. */
export interface H2Variant {
  readonly name: string;
  open(listeners: RpcListeners): Transport;
}

const onEdge = (protocol: typeof createConnectTransport | typeof createGrpcWebTransport, useBinaryFormat: boolean) => {
  return ({ edge }: RpcListeners) => protocol({ baseUrl: edge.url, httpVersion: "2", useBinaryFormat });
};

export const H2_VARIANTS: readonly H2Variant[] = [
  { name: "gRPC", open: ({ grpc }) => createGrpcTransport({ baseUrl: grpc.url }) },
  { name: "Connect on the gRPC listener", open: ({ grpc }) => createConnectTransport({ baseUrl: grpc.url, httpVersion: "2" }) },
  { name: "Connect proto on the edge", open: onEdge(createConnectTransport, true) },
  { name: "Connect JSON on the edge", open: onEdge(createConnectTransport, false) },
  { name: "gRPC-Web on the edge", open: onEdge(createGrpcWebTransport, true) },
];

/** gRPC-Web text serves every method except bidirectional streams. */
export const TEXT_VARIANT: H2Variant = {
  name: "gRPC-Web text on the edge",
  open: ({ edge }) => createGrpcWebTextTransport({ baseUrl: edge.url, httpVersion: "2" }),
};
