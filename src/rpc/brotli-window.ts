/**
 * The smallest window that a header of four bits can encode. Such a header encodes windows of 18 to 24 bits (RFC 7932 9.1,
 * "WBITS").
 */
const WINDOW_BITS_MIN = 18;
const WINDOW_BITS_MAX = 24;
/** A window of n bits holds 2^n - 16 bytes (RFC 7932 9.1). */
const WINDOW_GAP = 16;
/** A header of four bits is a 1 bit, followed by a code of three bits. The code of a window of n bits is n - 17. */
const CODE_OF_ZERO = 17;

/**
 * Lowers the window size in the header of a brotli stream (RFC 7932) to the smallest size that holds `unpackedBytes` bytes.
 *
 * - The first `unpackedBytes` bytes of output stay the same, because they contain no reference beyond the smaller window. Later
 *   bytes may differ.
 * - The new window has at least 18 bits. A smaller window needs a header of another length, so all later bits would have to
 *   move.
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
  // `Uint8Array.from` copies. `slice` of a Buffer returns a view, so a write would change the input.
  const changed = Uint8Array.from(stream);
  changed[0] = ((changed[0] ?? 0) & 0xf1) | (code << 1);
  return changed;
}
