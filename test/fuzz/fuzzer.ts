/** Seeded randomness, and mutations of valid bytes. The same seed gives the same run. */

/** Uniform integers by xorshift32 (Marsaglia, "Xorshift RNGs"). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** 0 to `max` - 1. */
  below(max: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % max;
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new RangeError("no choices");
    return choice;
  }

  bytes(lengthMax: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: this.below(lengthMax + 1) }, () => this.below(256));
  }
}

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

const at = (bytes: Uint8Array, random: Random) => random.below(bytes.byteLength + 1);
const splice = (bytes: Uint8Array, from: number, to: number, insert: Uint8Array) =>
  Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(Math.max(from, to))]);

/** Bytes that are special to one of the parsers. */
const TOKENS = [
  "\r\n",
  "\u0000",
  "{",
  "}",
  "[",
  '"',
  "\\u0000",
  "\\ud800",
  "1e999",
  "null",
  "__proto__",
  "../",
  "%2e%2e",
  "gateway.",
  "v2",
].map((text) => new TextEncoder().encode(text));

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) =>
    bytes.map((byte, index) => (index === random.below(bytes.byteLength) ? byte ^ (1 << random.below(8)) : byte)),
  (bytes, random) => bytes.subarray(0, at(bytes, random)),
  (bytes, random) => bytes.subarray(at(bytes, random)),
  (bytes, random) => splice(bytes, at(bytes, random), 0, random.bytes(8)),
  (bytes, random) => splice(bytes, at(bytes, random), 0, random.pick(TOKENS)),
  (bytes, random) => {
    const from = at(bytes, random);
    return splice(bytes, from, from + random.below(16), new Uint8Array(0));
  },
  (bytes, random) => {
    const from = at(bytes, random);
    return splice(bytes, from, from, bytes.subarray(from, from + random.below(64)));
  },
  (bytes, random) => {
    const from = at(bytes, random);
    return splice(bytes, from, from + 4, new Uint8Array(4).fill(random.pick([0x00, 0x7f, 0x80, 0xff])));
  },
  (bytes) => Buffer.concat([bytes, bytes]),
];

/** Applies one to four mutations to valid bytes, or returns random bytes, one time in eight. */
export function mutate(valid: Uint8Array, random: Random): Uint8Array {
  if (random.below(8) === 0) return random.bytes(300);
  let bytes = valid;
  for (let times = 1 + random.below(4); times > 0; times--) bytes = random.pick(MUTATIONS)(bytes, random);
  return bytes;
}
