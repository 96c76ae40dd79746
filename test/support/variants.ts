import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

/** Whom a client trusts, and how it shows who it is itself. PEM. */
export interface TlsTrust {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

/** One way of speaking to the gateway: protocol, codec and HTTP version, by connect-es as published. */
export interface Variant {
  readonly name: string;
  /** Which of the gateway's listeners it is spoken to on. */
  readonly listener: "edge" | "grpc";
  readonly open: (baseUrl: string, tls?: TlsTrust) => Transport;
}

const PROTOCOLS = [
  { name: "Connect", create: createConnectTransport },
  { name: "gRPC-Web", create: createGrpcWebTransport },
] as const;
const CODECS = [
  { name: "proto", useBinaryFormat: true },
  { name: "JSON", useBinaryFormat: false },
] as const;
const HTTP_VERSIONS = [
  { name: "HTTP/1.1", httpVersion: "1.1", listener: "edge" },
  { name: "HTTP/2", httpVersion: "2", listener: "edge" },
  { name: "HTTP/2 on the gRPC listener", httpVersion: "2", listener: "grpc" },
] as const;

const overEverything: readonly Variant[] = PROTOCOLS.flatMap((protocol) =>
  CODECS.flatMap(({ name: codec, useBinaryFormat }) =>
    HTTP_VERSIONS.map(({ name: http, httpVersion, listener }) => ({
      name: `${protocol.name} ${codec} over ${http}`,
      listener,
      open: (baseUrl: string, tls?: TlsTrust) => protocol.create({ baseUrl, httpVersion, useBinaryFormat, nodeOptions: tls }),
    })),
  ),
);

const grpc: readonly Variant[] = CODECS.map(({ name: codec, useBinaryFormat }) => ({
  name: `gRPC ${codec}`,
  listener: "grpc",
  open: (baseUrl: string, tls?: TlsTrust) => createGrpcTransport({ baseUrl, useBinaryFormat, nodeOptions: tls }),
}));

/** Every combination. */
export const VARIANTS: readonly Variant[] = [...overEverything, ...grpc];
