/** Compressed bodies that no compressor makes: the decoder spends time on parts that unpack to nothing. */
import { brotliCompressSync, crc32, deflateRawSync, gzipSync, constants as zlib, zstdCompressSync } from "node:zlib";

export type Encoding = "gzip" | "br" | "zstd";

export const ENCODINGS: readonly Encoding[] = ["gzip", "br", "zstd"];

const PACKERS: Readonly<Record<Encoding, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: (bytes) => gzipSync(bytes, { level: 9 }),
  br: (bytes) =>
    brotliCompressSync(bytes, {
      params: {
        [zlib.BROTLI_PARAM_QUALITY]: 9,
        [zlib.BROTLI_PARAM_LGWIN]: 22,
        [zlib.BROTLI_PARAM_SIZE_HINT]: bytes.byteLength,
      },
    }),
  zstd: (bytes) => zstdCompressSync(bytes),
};

export function pack(encoding: Encoding, bytes: Uint8Array): Uint8Array {
  return PACKERS[encoding](bytes);
}

const bytes = (...each: number[]) => Uint8Array.from(each);

function fill(unit: Uint8Array, size: number): Buffer {
  return Buffer.alloc(Math.max(1, Math.floor(size / unit.byteLength)) * unit.byteLength, unit);
}

/** A bomb unpacks to this size, far over the limit. */
const BOMB_BYTES_MAX = 16 * 1024 * 1024;

const GZIP_HEAD = bytes(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3);

/** RFC 1952 around raw deflate. */
function gzipOf(deflated: Uint8Array, content: Uint8Array): Uint8Array {
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(content));
  tail.writeUInt32LE(content.byteLength, 4);
  return Buffer.concat([GZIP_HEAD, deflated, tail]);
}

const EMPTY_MEMBER = gzipOf(deflateRawSync(new Uint8Array(0)), new Uint8Array(0));
/** RFC 1951 3.2.4: a stored block of no bytes, not the last; and the same as the last. */
const EMPTY_STORED = bytes(0, 0, 0, 0xff, 0xff);
const LAST_STORED = bytes(1, 0, 0, 0xff, 0xff);
/** RFC 8878 3.1.1, 3.1.2: a frame of one empty raw block, of known size 0; a frame to be skipped. */
const EMPTY_FRAME = bytes(0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0);
const SKIPPED_FRAME = bytes(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0);
const ZSTD_HEAD = bytes(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58);
/** RFC 7932 9.2: an empty metadata block after the window's bits, in whole bytes from then on. */
const BROTLI_HEAD = bytes(0x0c);
const BROTLI_METADATA = bytes(0x0c >> 1);

/** Deflate with a new Huffman table every few bytes (RFC 1951 3.2.7). */
function restlessDeflate(size: number): Uint8Array {
  const piece = Buffer.from(Array.from({ length: 600 }, (_, n) => (n * n * 31 + (n >> 3)) & 0xff));
  const block = deflateRawSync(piece, { level: 9, finishFlush: zlib.Z_SYNC_FLUSH });
  return Buffer.concat([GZIP_HEAD, fill(block, size)]);
}

/** Bits, the lowest of a byte first (RFC 1951 3.1.1). */
class Bits {
  readonly #bits: number[] = [];

  put(value: number, count: number): this {
    for (let bit = 0; bit < count; bit++) this.#bits.push((value >> bit) & 1);
    return this;
  }

  bytes(): Uint8Array {
    const whole = new Uint8Array(Math.ceil(this.#bits.length / 8));
    for (const [at, bit] of this.#bits.entries()) whole[at >> 3] = (whole[at >> 3] ?? 0) | (bit << (at & 7));
    return whole;
  }
}

/**
 * RFC 1951 3.2.7: a block that says codes for 286 literals and 30 distances by 11 repetitions, and ends at once. Eight of them, so that
 * they are whole bytes.
 */
function tablesForNothing(size: number): Uint8Array {
  const bits = new Bits();
  for (let block = 0; block < 8; block++) {
    bits.put(0, 1).put(2, 2).put(29, 5).put(29, 5).put(14, 4);
    // Lengths of the code for lengths, in the order of 3.2.7: one bit for "repeat", two each for 1-bit, 8-bit and 9-bit codes.
    const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1];
    const lengths: Readonly<Record<number, number>> = { 16: 1, 8: 3, 9: 3, 5: 3, 4: 3 };
    for (const symbol of order) bits.put(lengths[symbol] ?? 0, 3);
    putLengths(bits, 226, 8);
    putLengths(bits, 60, 9);
    putLengths(bits, 2, 4);
    putLengths(bits, 28, 5);
    // The end of the block is the 257th literal: the 31st code of nine bits.
    bits.put(reversed(452 + 30, 9), 9);
  }
  return Buffer.concat([GZIP_HEAD, fill(bits.bytes(), size)]);
}

/** Codes for the lengths 4, 5, 8, 9 and "repeat the last": 100, 101, 110, 111 and 0, written with their first bit first. */
const LENGTH_CODES: Readonly<Record<number, number>> = { 4: 0b001, 5: 0b101, 8: 0b011, 9: 0b111 };

function putLengths(bits: Bits, count: number, length: number): void {
  bits.put(LENGTH_CODES[length] ?? 0, 3);
  let left = count - 1;
  for (; left >= 3; left -= Math.min(left, 6)) bits.put(0, 1).put(Math.min(left, 6) - 3, 2);
  for (; left > 0; left--) bits.put(LENGTH_CODES[length] ?? 0, 3);
}

function reversed(code: number, length: number): number {
  return Number.parseInt(code.toString(2).padStart(length, "0").split("").reverse().join(""), 2);
}

export interface PackedShape {
  readonly encoding: Encoding;
  readonly make: (size: number) => Uint8Array;
}

export const PACKED: Readonly<Record<string, PackedShape>> = {
  "gzip: members of nothing": { encoding: "gzip", make: (size) => fill(EMPTY_MEMBER, size) },
  "gzip: stored blocks of nothing": {
    encoding: "gzip",
    make: (size) => Buffer.concat([GZIP_HEAD, fill(EMPTY_STORED, size), LAST_STORED, new Uint8Array(8)]),
  },
  "gzip: blocks with codes of their own": { encoding: "gzip", make: restlessDeflate },
  "gzip: tables for nothing": { encoding: "gzip", make: tablesForNothing },
  "gzip: a long name in the head": {
    encoding: "gzip",
    make: (size) => Buffer.concat([bytes(0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3), fill(bytes(0x61), size)]),
  },
  "gzip: a bomb": {
    encoding: "gzip",
    make: (size) => gzipSync(new Uint8Array(Math.min(size * 512, BOMB_BYTES_MAX)), { level: 9 }),
  },
  "br: metadata of nothing": {
    encoding: "br",
    make: (size) => Buffer.concat([BROTLI_HEAD, fill(BROTLI_METADATA, size), bytes(3)]),
  },
  "br: a bomb": { encoding: "br", make: (size) => brotliCompressSync(new Uint8Array(Math.min(size * 512, BOMB_BYTES_MAX))) },
  "zstd: frames of nothing": { encoding: "zstd", make: (size) => fill(EMPTY_FRAME, size) },
  "zstd: frames to be skipped": { encoding: "zstd", make: (size) => fill(SKIPPED_FRAME, size) },
  "zstd: blocks of nothing": {
    encoding: "zstd",
    make: (size) => Buffer.concat([ZSTD_HEAD, fill(bytes(0, 0, 0), size), bytes(1, 0, 0)]),
  },
  "zstd: a window of 128 MiB": {
    encoding: "zstd",
    make: () => Buffer.concat([bytes(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88), bytes(3, 0, 0, 0x61)]),
  },
  "zstd: a content size that is not so": {
    encoding: "zstd",
    make: () => Buffer.concat([bytes(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 8, 0), bytes(3, 0, 0, 0x61)]),
  },
  "zstd: a bomb": { encoding: "zstd", make: (size) => zstdCompressSync(new Uint8Array(Math.min(size * 512, BOMB_BYTES_MAX))) },
  "zstd: blocks of one byte many times": {
    encoding: "zstd",
    make: (size) => Buffer.concat([ZSTD_HEAD, fill(bytes(0x02, 0x00, 0x10, 0x61), size)]),
  },
};
