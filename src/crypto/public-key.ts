import { Point } from "@noble/ed25519";
import { PUBLIC_KEY_BYTES } from "../core/keys.ts";

/**
 * The highest bit of the last byte of a public key is the sign of x (RFC 8032 5.1.2). The other 255 bits of the key are y,
 * little-endian.
 */
const SIGN_BIT = 0x80;
const LAST_INDEX = PUBLIC_KEY_BYTES.EdDSA - 1;

/**
 * The y coordinates of the curve points of small order, as little-endian hex with the sign bit cleared. There are 8 such points
 * but only 5 values of y: the points (x, y) and (-x, y) share one value. The orders of the points are 4, 1, 2, 8 and 8, line by
 * line.
 */
const SMALL_ORDER_Y = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]);

/**
 * The first byte of the field's prime p = 2^255 - 19. In little-endian order, p is `ed ff … ff 7f`. A 255-bit y is at least p
 * if and only if its first byte is at least `ed` and all its other bytes equal those of p.
 */
const PRIME_FIRST_BYTE = 0xed;
const PRIME_OTHER_BYTES = `${"ff".repeat(LAST_INDEX - 1)}7f`;

/**
 * Whether a device may use this Ed25519 public key. It must be the canonical 32-byte encoding (RFC 8032 5.1.3, y < p) of a
 * curve point. The point must not be of small order: anybody can compute valid signatures for such a key.
 */
export function isStrictPublicKey(raw: Uint8Array): boolean {
  if (raw.byteLength !== PUBLIC_KEY_BYTES.EdDSA) return false;
  try {
    return !Point.fromBytes(raw, false).isSmallOrder();
  } catch {
    return false;
  }
}

/**
 * Whether an Ed25519 key must reject every signature, because it is of small order, not canonical, or not 32 bytes.
 *
 * It is called for every session look-up, so it only compares bytes. Decoding the curve point would take 40 µs and allocate 140
 * KB. For bytes that encode no curve point, it returns false, because verification rejects every signature of such a key.
 */
export function isWeakPublicKey(raw: Uint8Array): boolean {
  if (raw.byteLength !== PUBLIC_KEY_BYTES.EdDSA) return true;
  const y = Buffer.from(raw);
  y.writeUInt8(y.readUInt8(LAST_INDEX) & ~SIGN_BIT, LAST_INDEX);
  const isCanonical = y.readUInt8(0) < PRIME_FIRST_BYTE || y.toString("hex", 1) !== PRIME_OTHER_BYTES;
  return !isCanonical || SMALL_ORDER_Y.has(y.toString("hex"));
}
