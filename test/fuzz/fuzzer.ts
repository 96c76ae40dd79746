/** Seeded chance, and ways to spoil a valid request. The same seed gives the same run. */

/** Uniform numbers by xorshift32 (Marsaglia, "Xorshift RNGs"). */
export class Chance {
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
    if (choice === undefined) throw new RangeError("there is nothing to pick from");
    return choice;
  }

  bytes(lengthMax: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: this.below(lengthMax + 1) }, () => this.below(256));
  }
}

type Mutation = (bytes: Uint8Array, chance: Chance) => Uint8Array;

const at = (bytes: Uint8Array, chance: Chance) => chance.below(bytes.byteLength + 1);
const splice = (bytes: Uint8Array, from: number, to: number, insert: Uint8Array) =>
  Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(Math.max(from, to))]);

/** Bytes that mean something to one of the parsers on the way. */
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
  (bytes, chance) =>
    bytes.map((byte, index) => (index === chance.below(bytes.byteLength) ? byte ^ (1 << chance.below(8)) : byte)),
  (bytes, chance) => bytes.subarray(0, at(bytes, chance)),
  (bytes, chance) => bytes.subarray(at(bytes, chance)),
  (bytes, chance) => splice(bytes, at(bytes, chance), 0, chance.bytes(8)),
  (bytes, chance) => splice(bytes, at(bytes, chance), 0, chance.pick(TOKENS)),
  (bytes, chance) => {
    const from = at(bytes, chance);
    return splice(bytes, from, from + chance.below(16), new Uint8Array(0));
  },
  (bytes, chance) => {
    const from = at(bytes, chance);
    return splice(bytes, from, from, bytes.subarray(from, from + chance.below(64)));
  },
  (bytes, chance) => {
    const from = at(bytes, chance);
    return splice(bytes, from, from + 4, new Uint8Array(4).fill(chance.pick([0x00, 0x7f, 0x80, 0xff])));
  },
  (bytes) => Buffer.concat([bytes, bytes]),
];

/** A valid request, spoiled a few times over; or, one time in eight, bytes that never were one. */
export function spoil(valid: Uint8Array, chance: Chance): Uint8Array {
  if (chance.below(8) === 0) return chance.bytes(300);
  let bytes = valid;
  for (let times = 1 + chance.below(4); times > 0; times--) bytes = chance.pick(MUTATIONS)(bytes, chance);
  return bytes;
}
