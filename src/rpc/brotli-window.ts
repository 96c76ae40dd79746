/** Window sizes, as powers of 2, that a stream's first four bits can encode (RFC 7932 9.1, "WBITS"). Smaller ones have longer headers. */
const WINDOW_BITS_MIN = 18;
const WINDOW_BITS_MAX = 24;
/** A window of 2^n holds 2^n - 16 bytes (RFC 7932 9.1). */
const WINDOW_GAP = 16;
/** The header encodes a window of 2^n as n - 17, in the three bits after a 1. */
const CODE_OF_ZERO = 17;

/**
 * Lowers the window size in the header of a brotli stream (RFC 7932) to the smallest one that holds `unpackedBytes`. The first
 * `unpackedBytes` unpack to the same bytes, since no distance reaches further back than the output so far; later bytes may differ. The
 * least window is 2^18: a smaller one has a longer header, which would shift the bits of the rest.
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
  // Not `slice`: on a Buffer it returns a view, and the input would change.
  const changed = Uint8Array.from(stream);
  changed[0] = ((changed[0] ?? 0) & 0xf1) | (code << 1);
  return changed;
}
