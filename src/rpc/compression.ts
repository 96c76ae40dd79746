import {
  brotliCompressSync,
  brotliDecompressSync,
  gunzipSync,
  gzipSync,
  constants as zlib,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { codingName, codingsOf } from "../core/content-coding.ts";
import { narrowWindow } from "./brotli-window.ts";
import { BodyTooLarge, type HeaderReader } from "./http.ts";
import { ACCEPTED_CODINGS_CHARACTERS_MAX, UNPACK_RATIO_MAX, UNPACKED_BYTES_FREE } from "./limits.ts";
import type { ProtocolHeaders } from "./protocol.ts";

/**
 * A compression algorithm for messages. `name` is its name in headers. The methods are synchronous, so the process handles one
 * message at a time:
 *
 * - The messages of a stream keep their order.
 * - Concurrent decompression bombs take only the memory of one bomb.
 */
export interface Compression {
  readonly name: string;
  /** Compresses a response message. */
  compress(bytes: Uint8Array): Uint8Array;
  /**
   * Decompresses a request message. The maximum length of the output is `unpackedBytesMax(bytes.byteLength, bytesMax)`. Throws
   * `BodyTooLarge` as soon as the output exceeds this length. Throws ConnectError if the message is malformed.
   */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array;
}

type Unpack = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;

/** The compression levels of gzip, brotli and zstd are low, because fast compression delays the response less. */
export const gzip = compression("gzip", gunzipSync, (bytes) => gzipSync(bytes, { level: 1 }));
export const brotli = compression("br", unpackBrotli, (bytes) =>
  brotliCompressSync(bytes, { params: { [zlib.BROTLI_PARAM_QUALITY]: 3 } }),
);
export const zstd = compression("zstd", zstdDecompressSync, (bytes) => zstdCompressSync(bytes));

function compression(name: string, unpack: Unpack, compress: (bytes: Uint8Array) => Uint8Array): Compression {
  return {
    name,
    compress,
    decompress(bytes, bytesMax) {
      // Some clients send zero bytes as a compressed empty message.
      if (bytes.byteLength === 0) return bytes;
      const maxOutputLength = unpackedBytesMax(bytes.byteLength, bytesMax);
      try {
        return unpack(bytes, { maxOutputLength });
      } catch (cause) {
        throw isTooLarge(cause) ? new BodyTooLarge(maxOutputLength) : notUnpackable(name, cause);
      }
    },
  };
}

/**
 * Returns the maximum unpacked size of a message with `packedBytes` compressed bytes. The size is limited by `bytesMax` and by
 * the ratio `UNPACK_RATIO_MAX`. The ratio does not limit sizes up to `UNPACKED_BYTES_FREE`.
 */
export function unpackedBytesMax(packedBytes: number, bytesMax: number): number {
  return Math.min(bytesMax, Math.max(UNPACKED_BYTES_FREE, packedBytes * UNPACK_RATIO_MAX));
}

/**
 * Decompresses brotli. The decoder fills a complete window (RFC 7932 9.1) before it returns output. So 14 bytes of input could
 * make it fill 16 MiB. To prevent this, the window size in the input is lowered first.
 */
function unpackBrotli(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array {
  return brotliDecompressSync(narrowWindow(bytes, options.maxOutputLength), options);
}

function isTooLarge(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE";
}

function notUnpackable(name: string, cause: unknown): ConnectError {
  return new ConnectError(`the message cannot be unpacked as ${name}`, Code.InvalidArgument, undefined, undefined, cause);
}

/** The compressions of a request and of its response. `undefined` means that messages are not compressed. */
export interface NegotiatedCompression {
  readonly request: Compression | undefined;
  readonly response: Compression | undefined;
}

/** Maximum number of `Accept-Encoding` values whose selected compression is cached. Clients send few different values. */
const REMEMBERED_LISTS_MAX = 64;

/** The compressions that a server supports. `negotiate` selects the compressions of a call. */
export class Compressions {
  readonly #available: readonly Compression[];
  readonly #byAccepted = new Map<string, Compression | undefined>();

  constructor(available: readonly Compression[]) {
    this.#available = available;
  }

  /**
   * Selects the compressions of a call. Throws ConnectError `unimplemented` if the request uses an unknown compression. The
   * error lists the supported compressions.
   */
  negotiate(names: ProtocolHeaders, headers: HeaderReader): NegotiatedCompression {
    const [requested, ...more] = codingsOf(headers.get(names.encoding));
    const accepted = headers.get(names.acceptEncoding);
    const request = requested === undefined ? undefined : this.#named(requested);
    if (more.length > 0 || (requested !== undefined && request === undefined)) throw this.#unknown(names);
    // If the client lists no accepted compressions, the response uses the compression of the request (gRPC, compression.md).
    return { request, response: accepted === null || accepted === "" ? request : this.#firstOf(accepted) };
  }

  #named(name: string): Compression | undefined {
    return this.#available.find((compression) => compression.name === name);
  }

  /**
   * Returns the first supported compression in an `Accept-Encoding` list. Returns `undefined` if there is none.
   *
   * - Entries with q=0 are excluded (RFC 9110 12.5.3). Other quality values are ignored.
   * - A list longer than `ACCEPTED_CODINGS_CHARACTERS_MAX` selects no compression.
   */
  #firstOf(accepted: string): Compression | undefined {
    if (accepted.length > ACCEPTED_CODINGS_CHARACTERS_MAX) return undefined;
    if (this.#byAccepted.has(accepted)) return this.#byAccepted.get(accepted);
    const wanted = accepted.split(",").filter((item) => !/;\s*q=0(?:\.0*)?\s*$/i.test(item));
    const names = wanted.map((item) => codingName(item.split(";")[0] ?? ""));
    const found = names.map((name) => this.#named(name)).find((compression) => compression !== undefined);
    if (this.#byAccepted.size < REMEMBERED_LISTS_MAX) this.#byAccepted.set(accepted, found);
    return found;
  }

  #unknown(names: ProtocolHeaders): ConnectError {
    const acceptable = this.#available.map(({ name }) => name).join(",");
    const text = `unknown compression; supported are ${acceptable || "none"}`;
    return new ConnectError(text, Code.Unimplemented, { [names.acceptEncoding]: acceptable });
  }
}
