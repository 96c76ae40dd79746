import { create } from "@bufbuild/protobuf";
import type { Peer } from "../../src/core/admission.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { TlsIdentity } from "../../src/core/listen.ts";
import { refuse } from "../../src/core/refusal.ts";
import type { Log } from "../../src/core/telemetry.ts";
import { Gateway, GatewayEventSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import type { Call } from "../../src/rpc/call.ts";
import { Compressions, gzip } from "../../src/rpc/compression.ts";
import type { OutgoingStream } from "../../src/rpc/outgoing-stream.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { serverStream, unary } from "../../src/rpc/service.ts";
import { toConnectError } from "../../src/service/rpc-errors.ts";
import { Cors } from "../../src/transport/bun/cors.ts";
import type { ConnectionLimits } from "../../src/transport/limits/connection-limits.ts";
import type { RenewableListener } from "../../src/transport/listener.ts";
import { openMuxListener } from "../../src/transport/mux/mux-listener.ts";
import { PeerResolver } from "../../src/transport/peer/peer-address.ts";
import { UNGUARDED } from "./unguarded.ts";

const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

/** A mux listener in front of an echo service. */
export interface EchoMux {
  readonly listener: RenewableListener;
  /** Open streams. */
  readonly streams: ReadonlySet<OutgoingStream<typeof GatewayEventSchema>>;
  readonly warnings: readonly string[];
  /** Unary calls that are not answered yet. */
  readonly pending: () => number;
  close(): Promise<void>;
}

export interface EchoMuxOptions {
  readonly trustedProxies?: readonly string[];
  readonly tls?: TlsIdentity;
  readonly limits?: Partial<ConnectionLimits>;
  /** Delays each unary answer until it resolves. */
  readonly gate?: Promise<void>;
  readonly port?: number;
}

export async function openEchoMux(options: EchoMuxOptions = {}): Promise<EchoMux> {
  const streams = new Set<OutgoingStream<typeof GatewayEventSchema>>();
  const warnings: string[] = [];
  let pending = 0;
  const hold = async () => {
    pending++;
    await options.gate;
    pending--;
  };
  const warn = (message: string, fields?: object) => void warnings.push(`${message} ${JSON.stringify(fields)}`);
  const log: Log = { debug() {}, info() {}, warn, error: warn };
  const listener = await openMuxListener({
    listen: { host: "127.0.0.1", port: options.port ?? 0 },
    tls: options.tls,
    requestBytesMax: REQUEST_BYTES_MAX,
    rpc: echoServer(streams, hold),
    publicRoutes: { find: () => undefined },
    endpoints: [{ path: "/.well-known/jwks.json", serve: async () => Response.json({ keys: [] }) }],
    peers: new PeerResolver(options.trustedProxies ?? []),
    cors: new Cors({ origins: ["https://app.example"], maxAgeSeconds: 0 }),
    log,
    limits: options.limits,
  });
  return { listener, streams, warnings, pending: () => pending, close: () => listener.close() };
}

/** ExecuteCommand returns the payload, with the peer's address as key_id. SubscribeEvents sends the payload and stays open. */
function echoServer(streams: Set<OutgoingStream<typeof GatewayEventSchema>>, hold: () => Promise<void>): RpcServer<Peer> {
  const execute = unary(Gateway.method.executeCommand, async ({ payloadBytes }, call: Call<Peer>) => {
    await hold();
    return { envelope: { keyId: call.peer.address }, payloadBytes };
  });
  const subscribe = serverStream(Gateway.method.subscribeEvents, ({ payloadBytes }, call: Call<Peer>, stream) => {
    streams.add(stream);
    stream.onEnd({ ended: () => streams.delete(stream) });
    stream.send(create(GatewayEventSchema, { envelope: { keyId: call.peer.address }, payloadBytes }));
  });
  return new RpcServer<Peer>([execute, subscribe], {
    requestBytesMax: REQUEST_BYTES_MAX,
    tooLarge: () => refuse("REQUEST_TOO_LARGE"),
    compressions: new Compressions([gzip]),
    compressBytesMin: REQUEST_BYTES_MAX,
    guard: UNGUARDED,
    toConnectError,
    clock: systemClock,
    onDone() {},
  });
}
