import { SIP_KEY_BYTES, SipHash13 } from "./sip-hash.ts";

const LANE_BYTES = 4;
/** The greatest UTF-16 unit that fits into a byte. */
const NARROW_UNIT_MAX = 0xff;

/**
 * The 64-bit fingerprint of a key of two strings, under a secret seed: clients choose what is hashed, but not what collides. Among n
 * fingerprints, the chance that any two keys share one is about n² / 2⁶⁵: 3 in 100,000 where n is 30 million.
 */
export class Fingerprint {
  readonly #hash: SipHash13;

  constructor(seed: Uint8Array) {
    this.#hash = new SipHash13(seed);
  }

  /** Bits 0 to 31 of the fingerprint last taken, as an int32. */
  get low(): number {
    return this.#hash.low;
  }

  /** Bits 32 to 63 of the fingerprint last taken, as an int32. */
  get high(): number {
    return this.#hash.high;
  }

  /** Takes the fingerprint of (first, second), and leaves it in `low` and `high`. */
  take(first: string, second: string): void {
    this.#hash.reserve(lanesAtMost(first, second) * LANE_BYTES);
    const lanes = this.#hash.lanes;
    const end = writePart(second, lanes, writePart(first, lanes, 0));
    this.#hash.digest(end * LANE_BYTES);
  }
}

/** A seed for one process. */
export function randomSeed(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(SIP_KEY_BYTES));
}

function lanesAtMost(first: string, second: string): number {
  return 1 + Math.ceil(first.length / 2) + 1 + Math.ceil(second.length / 2);
}

/**
 * Writes a part as its length and its units, so that no two pairs of parts are written alike; answers where it ended. Units, not
 * UTF-8, because a lone surrogate has no UTF-8 of its own. The length of a part with wide units is written inverted.
 */
function writePart(part: string, lanes: Int32Array, start: number): number {
  lanes[start] = part.length;
  return writeNarrow(part, lanes, start + 1) ?? writeWide(part, lanes, start);
}

/** Four units a lane; `undefined` where one of them does not fit into a byte. */
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

/** Two units a lane. */
function writeWide(part: string, lanes: Int32Array, start: number): number {
  let at = start;
  lanes[at++] = ~part.length;
  for (let index = 0; index < part.length; index += 2) {
    const next = index + 1 < part.length ? part.charCodeAt(index + 1) : 0;
    lanes[at++] = part.charCodeAt(index) | (next << 16);
  }
  return at;
}
