import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

/** One way of speaking to the edge: protocol, codec and HTTP version, by connect-es as published. */
export interface Variant {
  readonly name: string;
  readonly open: (baseUrl: string) => Transport;
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
  { name: "HTTP/1.1", httpVersion: "1.1" },
  { name: "h2c", httpVersion: "2" },
] as const;

/** Every combination. */
export const VARIANTS: readonly Variant[] = PROTOCOLS.flatMap((protocol) =>
  CODECS.flatMap(({ name: codec, useBinaryFormat }) =>
    HTTP_VERSIONS.map(({ name: http, httpVersion }) => ({
      name: `${protocol.name} ${codec} over ${http}`,
      open: (baseUrl: string) => protocol.create({ baseUrl, httpVersion, useBinaryFormat }),
    })),
  ),
);
