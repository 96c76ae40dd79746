export const SIP_KEY_BYTES = 16;

/** The initial size of the message buffer. A longer message makes the buffer grow. */
const MESSAGE_BYTES = 1024;
/** SipHash works on 64-bit words. This code stores each word as two 32-bit lanes. */
const WORD_BYTES = 8;
const FINALIZATION_ROUNDS = 3;

/**
 * SipHash-1-3, a keyed 64-bit hash (Aumasson and Bernstein, "SipHash: a fast short-input PRF"). It has one round per word and
 * three finalization rounds. Hash tables use it, because nobody can find colliding inputs without the key.
 *
 * To hash a message, call `reserve`, write the message into `lanes`, and call `digest`. The digest is then in `low` and `high`.
 * `lanes` is little-endian, as on every platform that Bun supports.
 *
 * For speed, `digest` allocates nothing, uses no BigInt, and accesses memory only in 32-bit words.
 */
export class SipHash13 {
  /** Bits 0 to 31 of the last digest, as an int32. */
  low = 0;
  /** Bits 32 to 63 of the last digest, as an int32. */
  high = 0;
  /** The message buffer. Call `reserve` before writing a message into it. */
  lanes = new Int32Array(0);
  readonly #key: DataView;

  constructor(key: Uint8Array) {
    if (key.byteLength !== SIP_KEY_BYTES)
      throw new RangeError(`a SipHash key has ${SIP_KEY_BYTES} bytes, not ${key.byteLength}`);
    this.#key = new DataView(key.slice().buffer);
    this.reserve(MESSAGE_BYTES);
  }

  /** Makes `lanes` large enough for a message of `bytes` bytes. If `lanes` grows, its content is lost. */
  reserve(bytes: number): void {
    const words = Math.floor(bytes / WORD_BYTES) + 1;
    if (this.lanes.length < words * 2) this.lanes = new Int32Array(words * 2);
  }

  /** Hashes the first `bytes` bytes of `lanes`. Call `reserve(bytes)` first. Padding overwrites the bytes after the message. */
  digest(bytes: number): void {
    const lanes = this.lanes;
    const last = Math.floor(bytes / WORD_BYTES);
    pad(lanes, bytes);

    const key = this.#key;
    let v0l = key.getInt32(0, true) ^ 0x70736575;
    let v0h = key.getInt32(4, true) ^ 0x736f6d65;
    let v1l = key.getInt32(8, true) ^ 0x6e646f6d;
    let v1h = key.getInt32(12, true) ^ 0x646f7261;
    let v2l = key.getInt32(0, true) ^ 0x6e657261;
    let v2h = key.getInt32(4, true) ^ 0x6c796765;
    let v3l = key.getInt32(8, true) ^ 0x79746573;
    let v3h = key.getInt32(12, true) ^ 0x74656462;

    // A finalization round is a SipHash round that adds no word of the message. Below, `<<<=` rotates a 64-bit word left.
    for (let at = 0; at <= last + FINALIZATION_ROUNDS; at++) {
      const ml = at <= last ? (lanes[at * 2] ?? 0) : 0;
      const mh = at <= last ? (lanes[at * 2 + 1] ?? 0) : 0;
      let t = 0;
      v3l ^= ml;
      v3h ^= mh;

      // v0 += v1; v1 <<<= 13; v1 ^= v0; v0 <<<= 32
      t = (v0l + v1l) | 0;
      v0h = (v0h + v1h + carry(v0l, v1l, t)) | 0;
      v0l = t;
      t = (v1l << 13) | (v1h >>> 19);
      v1h = (v1h << 13) | (v1l >>> 19);
      v1l = t ^ v0l;
      v1h ^= v0h;
      t = v0l;
      v0l = v0h;
      v0h = t;

      // v2 += v3; v3 <<<= 16; v3 ^= v2
      t = (v2l + v3l) | 0;
      v2h = (v2h + v3h + carry(v2l, v3l, t)) | 0;
      v2l = t;
      t = (v3l << 16) | (v3h >>> 16);
      v3h = (v3h << 16) | (v3l >>> 16);
      v3l = t ^ v2l;
      v3h ^= v2h;

      // v0 += v3; v3 <<<= 21; v3 ^= v0
      t = (v0l + v3l) | 0;
      v0h = (v0h + v3h + carry(v0l, v3l, t)) | 0;
      v0l = t;
      t = (v3l << 21) | (v3h >>> 11);
      v3h = (v3h << 21) | (v3l >>> 11);
      v3l = t ^ v0l;
      v3h ^= v0h;

      // v2 += v1; v1 <<<= 17; v1 ^= v2; v2 <<<= 32
      t = (v2l + v1l) | 0;
      v2h = (v2h + v1h + carry(v2l, v1l, t)) | 0;
      v2l = t;
      t = (v1l << 17) | (v1h >>> 15);
      v1h = (v1h << 17) | (v1l >>> 15);
      v1l = t ^ v2l;
      v1h ^= v2h;
      t = v2l;
      v2l = v2h;
      v2h = t;

      v0l ^= ml;
      v0h ^= mh;
      if (at === last) v2l ^= 0xff;
    }

    this.low = v0l ^ v1l ^ v2l ^ v3l;
    this.high = v0h ^ v1h ^ v2h ^ v3h;
  }
}

/**
 * Writes the last word:
 *
 * - The low bytes are the remaining bytes of the message.
 * - The highest byte is the length of the message, modulo 256.
 * - The bytes between them are 0.
 */
function pad(lanes: Int32Array, bytes: number): void {
  const at = Math.floor(bytes / WORD_BYTES) * 2;
  const left = bytes % WORD_BYTES;
  lanes[at] = lowBytes(lanes[at] ?? 0, left);
  lanes[at + 1] = lowBytes(lanes[at + 1] ?? 0, left - 4) | (bytes << 24);
}

function lowBytes(lane: number, count: number): number {
  if (count <= 0) return 0;
  return count >= 4 ? lane : lane & ((1 << (count * 8)) - 1);
}

/** Returns the carry of a 32-bit addition, 0 or 1. Has no `if`, because the CPU would mispredict half of the branches. */
function carry(a: number, b: number, sum: number): number {
  return ((a & b) | ((a | b) & ~sum)) >>> 31;
}
