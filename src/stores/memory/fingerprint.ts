import { SIP_KEY_BYTES, SipHash13 } from "./sip-hash.ts";

const LANE_BYTES = 4;
/** The largest UTF-16 code unit that fits into one byte. */
const NARROW_UNIT_MAX = 0xff;

/**
 * Computes the 64-bit fingerprint of a pair of strings. The seed is secret, so that clients cannot choose strings whose
 * fingerprints collide. The probability that any two of n fingerprints collide is about n² / 2⁶⁵. For 30 million fingerprints,
 * it is below 3 in 100,000.
 */
export class Fingerprint {
  readonly #hash: SipHash13;

  constructor(seed: Uint8Array) {
    this.#hash = new SipHash13(seed);
  }

  /** Bits 0 to 31 of the last fingerprint, as an int32. */
  get low(): number {
    return this.#hash.low;
  }

  /** Bits 32 to 63 of the last fingerprint, as an int32. */
  get high(): number {
    return this.#hash.high;
  }

  /** Computes the fingerprint of the pair (first, second), and stores it in `low` and `high`. */
  compute(first: string, second: string): void {
    this.#hash.reserve(lanesAtMost(first, second) * LANE_BYTES);
    const lanes = this.#hash.lanes;
    const end = writePart(second, lanes, writePart(first, lanes, 0));
    this.#hash.digest(end * LANE_BYTES);
  }
}

/** Returns a new random seed. All fingerprints in a table must have the same seed. */
export function randomSeed(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(SIP_KEY_BYTES));
}

function lanesAtMost(first: string, second: string): number {
  return 1 + Math.ceil(first.length / 2) + 1 + Math.ceil(second.length / 2);
}

/**
 * Writes one string of the pair into the 32-bit words that are hashed (lanes). Returns the index after the last lane.
 *
 * - The first lane holds the length of the string, so that two different pairs never produce the same lanes.
 * - If every UTF-16 code unit fits into one byte, each further lane holds four code units.
 * - Otherwise, each further lane holds two code units. All bits of the length are then inverted, so that the two formats never
 *   produce the same lanes.
 * - UTF-8 is not used, because lone surrogates have no UTF-8 encoding.
 */
function writePart(part: string, lanes: Int32Array, start: number): number {
  lanes[start] = part.length;
  return writeNarrow(part, lanes, start + 1) ?? writeWide(part, lanes, start);
}

/**
 * Writes four code units into each 32-bit lane. Returns the index after the last lane. Returns `undefined` if a code unit does
 * not fit into one byte.
 */
function writeNarrow(part: string, lanes: Int32Array, start: number): number | undefined {
  const whole = part.length - (part.length % 4);
  let at = start;
  let all = 0;
  for (let index = 0; index < whole; index += 4) {
    const a = part.charCodeAt(index);
    const b = part.charCodeAt(index + 1);
    const c = part.charCodeAt(index + 2);
    const d = part.charCodeAt(index + 3);
    all |= a | b | c | d;
    lanes[at++] = a | (b << 8) | (c << 16) | (d << 24);
  }
  let rest = 0;
  for (let index = whole; index < part.length; index++) {
    const unit = part.charCodeAt(index);
    all |= unit;
    rest = (rest << 8) | unit;
  }
  if (whole < part.length) lanes[at++] = rest;
  return all <= NARROW_UNIT_MAX ? at : undefined;
}

/**
 * Writes the bitwise complement of the length into the first 32-bit lane, and two code units into each further lane. Returns
 * the index after the last lane.
 */
function writeWide(part: string, lanes: Int32Array, start: number): number {
  let at = start;
  lanes[at++] = ~part.length;
  for (let index = 0; index < part.length; index += 2) {
    const next = index + 1 < part.length ? part.charCodeAt(index + 1) : 0;
    lanes[at++] = part.charCodeAt(index) | (next << 16);
  }
  return at;
}
