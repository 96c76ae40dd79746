/** A stream's window, as its first bits say it: 2^`bits` bytes less 16, in `headerBits` bits. */
interface Window {
  readonly bits: number;
  readonly headerBits: number;
}

/** The windows that this writes, from the least to the greatest that is of use; 17 and what is below 16 have a longer header. */
const WINDOW_BITS = [16, 18, 19, 20, 21, 22, 23, 24];
/** What a window of 2^n bytes falls short of that (RFC 7932 9.1). */
const WINDOW_GAP = 16;

/**
 * A brotli stream (RFC 7932) that says the smallest window in which `unpackedBytes` fit, where it said a larger one. Up to that length it
 * unpacks to the same bytes, since no distance in them is longer than what has been unpacked; behind that, nobody may rely on it.
 */
export function narrowWindow(stream: Uint8Array, unpackedBytes: number): Uint8Array {
  const said = windowOf(stream);
  const bits = WINDOW_BITS.find((each) => 2 ** each - WINDOW_GAP >= unpackedBytes);
  if (said === undefined || bits === undefined || bits >= said.bits) return stream;
  const [header, headerBits] = bits === 16 ? [0, 1] : [((bits - 17) << 1) | 1, 4];
  return withHeader(stream, said.headerBits, header, headerBits);
}

/** RFC 7932 9.1, "WBITS", of whose codes the first bit is the lowest. `undefined`: there is none, or a window that the RFC does not know. */
function windowOf(stream: Uint8Array): Window | undefined {
  const first = stream[0];
  if (first === undefined) return undefined;
  if ((first & 1) === 0) return { bits: 16, headerBits: 1 };
  const next = (first >> 1) & 7;
  if (next !== 0) return { bits: 17 + next, headerBits: 4 };
  const last = (first >> 4) & 7;
  if (last === 1) return undefined;
  return { bits: last === 0 ? 17 : 8 + last, headerBits: 7 };
}

/** The bits of a stream behind another header, of as many bits or fewer. */
function withHeader(stream: Uint8Array, oldBits: number, header: number, headerBits: number): Uint8Array {
  const moved = stream.slice();
  const shift = oldBits - headerBits;
  if (shift > 0) {
    for (let at = 0; at < moved.byteLength; at++) {
      moved[at] = ((stream[at] ?? 0) >> shift) | ((stream[at + 1] ?? 0) << (8 - shift));
    }
  }
  moved[0] = ((moved[0] ?? 0) & (0xff << headerBits)) | header;
  return moved;
}
