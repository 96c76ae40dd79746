/**
 * Minimum and maximum window size that the four-bit header can encode, as exponents of 2 (RFC 7932 9.1, "WBITS"). For a window smaller than
 * the minimum, the header has another length.
 */
const WINDOW_BITS_MIN = 18;
const WINDOW_BITS_MAX = 24;
/** Number of bytes by which a window is smaller than a power of 2: a window of n bits holds 2^n - 16 bytes (RFC 7932 9.1). */
const WINDOW_GAP = 16;
/** For a window of n bits, the header consists of a 1 bit and three bits that contain n - 17. */
const CODE_OF_ZERO = 17;

/**
 * Lowers the window size in the header of a brotli stream (RFC 7932) to the smallest size that holds `unpackedBytes` bytes.
 *
 * - The first `unpackedBytes` bytes of output stay the same, because no reference reaches back before the start of the output. Later bytes
 *   may differ.
 * - The smallest window that is set is 18 bits. The header of a smaller window has another length, so all bits after the header would have
 *   to move.
 */
export function narrowWindow(stream: Uint8Array, unpackedBytes: number): Uint8Array {
  const [first = 0] = stream;
  const code = (first >> 1) & 7;
  if ((first & 1) === 0 || code === 0) return stream;
  for (let bits = WINDOW_BITS_MIN; bits < code + CODE_OF_ZERO && bits <= WINDOW_BITS_MAX; bits++) {
    if (2 ** bits - WINDOW_GAP >= unpackedBytes) return withCode(stream, bits - CODE_OF_ZERO);
  }
  return stream;
}

function withCode(stream: Uint8Array, code: number): Uint8Array {
  // Uses `Uint8Array.from`, because it copies. `slice` of a Buffer returns a view, so a write to the view would change the input.
  const changed = Uint8Array.from(stream);
  changed[0] = ((changed[0] ?? 0) & 0xf1) | (code << 1);
  return changed;
}
