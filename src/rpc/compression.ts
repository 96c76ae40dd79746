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
 * A compression that messages may have, under its name in the headers. In one go, and so one at a time: messages are bounded, streams keep
 * their order, and however many bombs arrive at once, one window's worth of memory is in use.
 */
export interface Compression {
  readonly name: string;
  /** Packs an answer. */
  compress(bytes: Uint8Array): Uint8Array;
  /**
   * Unpacks a message. Throws `BodyTooLarge` at `bytesMax`, or at UNPACK_RATIO_MAX times what was sent, having made no more than that;
   * ConnectError on what is not packed so.
   */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array;
}

type Unpack = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;

/** Fast rather than small: answers wait for it. */
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
      // An empty message may be sent as no bytes at all, compressed or not.
      if (bytes.byteLength === 0) return bytes;
      const maxOutputLength = unpackedBytesMax(bytes.byteLength, bytesMax);
      try {
        return unpack(bytes, { maxOutputLength });
      } catch (cause) {
        throw isTooLarge(cause) ? new BodyTooLarge(maxOutputLength) : undecodable(name, cause);
      }
    },
  };
}

/** What a message of so many bytes may unpack to, where none may be longer than `bytesMax`. */
export function unpackedBytesMax(packedBytes: number, bytesMax: number): number {
  return Math.min(bytesMax, Math.max(UNPACKED_BYTES_FREE, packedBytes * UNPACK_RATIO_MAX));
}

/** The decoder fills a whole window (RFC 7932 9.1) before it gives any of it: 16 MiB, of 14 bytes. So the window is made the least that does. */
function unpackBrotli(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array {
  return brotliDecompressSync(narrowWindow(bytes, options.maxOutputLength), options);
}

function isTooLarge(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE";
}

function undecodable(name: string, cause: unknown): ConnectError {
  return new ConnectError(`the message cannot be unpacked as ${name}`, Code.InvalidArgument, undefined, undefined, cause);
}

/** What a request and its answer are compressed with, if at all. */
export interface NegotiatedCompression {
  readonly request: Compression | undefined;
  readonly response: Compression | undefined;
}

/** Clients send one of a handful of lists of what they accept; more than this many are not remembered. */
const REMEMBERED_LISTS_MAX = 64;

/** The compressions of a server, and which of them a request is about. */
export class Compressions {
  readonly #available: readonly Compression[];
  readonly #byAccepted = new Map<string, Compression | undefined>();

  constructor(available: readonly Compression[]) {
    this.#available = available;
  }

  /** Throws ConnectError `unimplemented`, with what there is, where the client uses a compression that the server does not have. */
  negotiate(names: ProtocolHeaders, headers: HeaderReader): NegotiatedCompression {
    const [requested, ...more] = codingsOf(headers.get(names.encoding));
    const accepted = headers.get(names.acceptEncoding);
    const request = requested === undefined ? undefined : this.#named(requested);
    if (more.length > 0 || (requested !== undefined && request === undefined)) throw this.#unknown(names);
    // A client that says nothing of what it accepts takes what it sends itself (gRPC, compression.md).
    return { request, response: accepted === null || accepted === "" ? request : this.#firstOf(accepted) };
  }

  #named(name: string): Compression | undefined {
    return this.#available.find((compression) => compression.name === name);
  }

  /** The first of the client's list, unless that is longer than any client's; its quality values (RFC 9110 12.5.3) count only where they say "not at all". */
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
