/** The windows that a stream's first four bits can say, as powers of 2 (RFC 7932 9.1, "WBITS"). Smaller ones have headers of other lengths. */
const WINDOW_BITS_MIN = 18;
const WINDOW_BITS_MAX = 24;
/** What a window of 2^n bytes falls short of that. */
const WINDOW_GAP = 16;
/** The header's code of a window of 2^n bytes is n - 17, in the three bits behind a 1. */
const CODE_OF_ZERO = 17;

/**
 * A brotli stream (RFC 7932) that says the smallest window in which `unpackedBytes` fit, where it said a larger one. Up to that length it
 * unpacks to the same bytes, since no distance in them is longer than what has been unpacked; behind that, nobody may rely on it. No window is
 * made smaller than 2^18: its header would be of another length, and what follows would no longer begin where bytes do.
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
  // Not `slice`, by which a Buffer would be written to itself.
  const changed = Uint8Array.from(stream);
  changed[0] = ((changed[0] ?? 0) & 0xf1) | (code << 1);
  return changed;
}
