import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { createGrpcWebTextTransport } from "./grpc-web-text.ts";

/** The CA that a client trusts, and its own certificate and key. PEM. */
export interface TlsTrust {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

/** A protocol, a codec and an HTTP version, spoken by the published connect-es. gRPC-Web text is connect-es with an HTTP client that converts bodies. */
export interface Variant {
  readonly name: string;
  /** The listener that serves it. */
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
      open: (baseUrl: string, tls?: TlsTrust) =>
        protocol.create({ baseUrl, httpVersion, useBinaryFormat, ...(tls && { nodeOptions: tls }) }),
    })),
  ),
);

const grpc: readonly Variant[] = CODECS.map(({ name: codec, useBinaryFormat }) => ({
  name: `gRPC ${codec}`,
  listener: "grpc",
  open: (baseUrl: string, tls?: TlsTrust) =>
    createGrpcTransport({ baseUrl, useBinaryFormat, ...(tls && { nodeOptions: tls }) }),
}));

const text: readonly Variant[] = HTTP_VERSIONS.map(({ name: http, httpVersion, listener }) => ({
  name: `gRPC-Web text over ${http}`,
  listener,
  open: (baseUrl: string, tls?: TlsTrust) =>
    createGrpcWebTextTransport({ baseUrl, httpVersion, ...(tls && { nodeOptions: tls }) }),
}));

/** Every protocol, codec and HTTP version that the gateway serves. */
export const VARIANTS: readonly Variant[] = [...overEverything, ...text, ...grpc];
