import { type Compression, compressionNegotiate } from "@connectrpc/connect/protocol";
import type { HeaderReader } from "./http.ts";
import type { ProtocolHeaders } from "./protocol.ts";

/** Unpacks a message; throws ConnectError `resource_exhausted` as soon as it is over `bytesMax`. */
export type Decompress = (bytes: Uint8Array, bytesMax: number) => Promise<Uint8Array>;

/** What a request and its answer are compressed with, if at all. */
export interface NegotiatedCompression {
  readonly decompress: Decompress | undefined;
  readonly response: Compression | null;
}

const NO_COMPRESSION: NegotiatedCompression = { decompress: undefined, response: null };

/** Throws ConnectError `unimplemented` where the client uses a compression that the server does not have. */
export function negotiateCompression(
  available: readonly Compression[],
  names: ProtocolHeaders,
  headers: HeaderReader,
): NegotiatedCompression {
  const requested = headers.get(names.encoding);
  if (available.length === 0 && requested === null) return NO_COMPRESSION;
  const accepted = headers.get(names.acceptEncoding);
  const { request, response, error } = compressionNegotiate([...available], requested, accepted, names.acceptEncoding);
  if (error !== undefined) throw error;
  return { decompress: request?.decompress.bind(request), response };
}
