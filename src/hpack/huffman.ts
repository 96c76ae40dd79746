/**
 * Number of Huffman codes for each code length in bits (RFC 7541 appendix B). Codes of the same length are consecutive numbers.
 * So these counts are enough to find where each code ends.
 */
const SYMBOLS_BY_BITS: Readonly<Record<number, number>> = {
  ...{ 5: 10, 6: 26, 7: 32, 8: 6, 10: 5, 11: 3, 12: 2, 13: 6, 14: 2, 15: 3 },
  ...{ 19: 3, 20: 8, 21: 13, 22: 26, 23: 29, 24: 12, 25: 4, 26: 15, 27: 19, 28: 29, 30: 4 },
};
const CODE_BITS_MAX = 30;

/** The codes of `n` bits are the numbers from `FIRST[n]` up to, but not including, `END[n]`. */
const FIRST = new Int32Array(CODE_BITS_MAX + 1);
const END = new Int32Array(CODE_BITS_MAX + 1);
for (let bits = 1; bits <= CODE_BITS_MAX; bits++) {
  FIRST[bits] = (END[bits - 1] ?? 0) * 2;
  END[bits] = (FIRST[bits] ?? 0) + (SYMBOLS_BY_BITS[bits] ?? 0);
}

/** Returns the length of a Huffman-coded string after decoding, in octets (RFC 7541 5.2). */
export function huffmanLength(coded: Uint8Array): number {
  let symbols = 0;
  let code = 0;
  let bits = 0;
  for (const octet of coded) {
    for (let shift = 7; shift >= 0; shift--) {
      code = code * 2 + ((octet >> shift) & 1);
      bits++;
      if (bits > CODE_BITS_MAX) throw new RangeError("a Huffman code is too long");
      if (code >= (END[bits] ?? 0)) continue;
      symbols++;
      code = 0;
      bits = 0;
    }
  }
  return symbols;
}
