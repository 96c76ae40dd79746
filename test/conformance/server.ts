/**
 * The server under test: the suite's ConformanceService on the gateway's RPC layer and listeners. connectconformance starts it, writes a
 * ServerCompatRequest to its standard input, and reads a ServerCompatResponse with the address from its standard output.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { HTTPVersion, Protocol } from "../../.cache/conformance/gen/connectrpc/conformance/v1/config_pb.js";
import {
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../../.cache/conformance/gen/connectrpc/conformance/v1/server_compat_pb.js";
import type { Peer } from "../../src/core/admission.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { TlsIdentity } from "../../src/core/listen.ts";
import { brotli, Compressions, gzip, zstd } from "../../src/rpc/compression.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { toConnectError } from "../../src/service/rpc-errors.ts";
import { Cors } from "../../src/transport/bun/cors.ts";
import { openEdge } from "../../src/transport/bun/edge.ts";
import { openGrpcListener } from "../../src/transport/h2/grpc-listener.ts";
import type { Listener } from "../../src/transport/listener.ts";
import { PeerResolver } from "../../src/transport/peer/peer-address.ts";
import { UNGUARDED } from "../support/unguarded.ts";
import { conformanceService } from "./service.ts";

const REQUEST_BYTES_MAX = 1024 * 1024;
const listen = { host: "127.0.0.1", port: 0 };
const log = { debug() {}, info() {}, warn() {}, error: (message: string, fields?: object) => console.error(message, fields) };

async function main(): Promise<void> {
  const request = fromBinary(ServerCompatRequestSchema, await readMessage());
  const { url } = await open(request);
  const { hostname: host, port } = new URL(url);
  const pemCert = (request.useTls ? request.serverCreds?.cert : undefined) ?? new Uint8Array(0);
  writeMessage(toBinary(ServerCompatResponseSchema, create(ServerCompatResponseSchema, { host, port: Number(port), pemCert })));
}

function open(request: ServerCompatRequest): Promise<Listener> | Listener {
  const rpc = new RpcServer<Peer>(conformanceService(), {
    requestBytesMax: request.messageReceiveLimit || REQUEST_BYTES_MAX,
    tooLarge: (limit) => new ConnectError(`the message is larger than ${limit} bytes`, Code.ResourceExhausted),
    compressions: new Compressions([gzip, brotli, zstd]),
    compressBytesMin: 0,
    guard: UNGUARDED,
    toConnectError,
    clock: systemClock,
    onDone() {},
  });
  const common = { listen, tls: tlsOf(request), rpc, peers: new PeerResolver([]), log };
  return needsTrailers(request) ? openGrpcListener(common) : openEdge({ ...common, ...edgeOnly() });
}

/** gRPC needs the gRPC listener. With `--h2=node`, the other protocols over HTTP/2 are tested on it too. */
function needsTrailers({ protocol, httpVersion }: ServerCompatRequest): boolean {
  if (protocol === Protocol.GRPC) return true;
  return httpVersion === HTTPVersion.HTTP_VERSION_2 && process.argv.includes("--h2=node");
}

function tlsOf({ useTls, serverCreds, clientTlsCert }: ServerCompatRequest): TlsIdentity | undefined {
  if (!useTls || serverCreds === undefined) return undefined;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    certificate: text(serverCreds.cert),
    privateKey: text(serverCreds.key),
    clientAuthority: clientTlsCert.byteLength > 0 ? text(clientTlsCert) : undefined,
  };
}

function edgeOnly() {
  return {
    requestBytesMax: REQUEST_BYTES_MAX,
    publicRoutes: { find: () => undefined },
    endpoints: [],
    cors: new Cors({ origins: [], maxAgeSeconds: 0 }),
  };
}

/** Before each message: its length as 4 big-endian bytes. */
async function readMessage(): Promise<Uint8Array> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of Bun.stdin.stream()) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE()) return bytes.subarray(4, 4 + bytes.readUInt32BE());
  }
  throw new Error("standard input ended before the request was complete");
}

function writeMessage(message: Uint8Array): void {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.byteLength);
  process.stdout.write(Buffer.concat([length, message]));
}

await main();
