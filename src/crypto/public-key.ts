import { Point } from "@noble/ed25519";
import { PUBLIC_KEY_BYTES } from "../core/limits.ts";

/** RFC 8032 5.1.2: the bit of the last byte that is the sign of x; what is left of the 32 bytes is y, little-endian. */
const SIGN_BIT = 0x80;
const LAST = PUBLIC_KEY_BYTES - 1;

/** The y of the 8 points whose order divides the cofactor (orders 4, 1, 2, and twice 8), each with either sign of x. */
const SMALL_ORDER_Y = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]);

/** The field's prime, 2^255 - 19, little-endian, but for its first byte: no byte of it is smaller than the same byte of a larger y. */
const PRIME_FIRST = 0xed;
const PRIME_REST = `${"ff".repeat(LAST - 1)}7f`;

/**
 * Whether these are the 32 bytes of a public key that a device may use: the canonical encoding (RFC 8032 5.1.3, y < p) of a
 * point on the curve that is not of small order. With a small-order key, signatures exist that verify for any message.
 */
export function isStrictPublicKey(raw: Uint8Array): boolean {
  if (raw.byteLength !== PUBLIC_KEY_BYTES) return false;
  try {
    return !Point.fromBytes(raw, false).isSmallOrder();
  } catch {
    return false;
  }
}

/**
 * Whether a key must not verify anything: of small order, not canonical, or not 32 bytes. Looks at the bytes alone, for every session that
 * is looked up: to decode the point takes 40 us and leaves 140 KB of garbage. Whoever verifies refuses what encodes no point.
 */
export function isWeakPublicKey(raw: Uint8Array): boolean {
  if (raw.byteLength !== PUBLIC_KEY_BYTES) return true;
  const y = Buffer.from(raw);
  y.writeUInt8(y.readUInt8(LAST) & ~SIGN_BIT, LAST);
  const isCanonical = y.readUInt8(0) < PRIME_FIRST || y.toString("hex", 1) !== PRIME_REST;
  return !isCanonical || SMALL_ORDER_Y.has(y.toString("hex"));
}
