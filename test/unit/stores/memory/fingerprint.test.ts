import { expect, test } from "bun:test";
import fc from "fast-check";
import { Fingerprint, randomSeed } from "../../../../src/stores/memory/fingerprint.ts";

const SEED = new Uint8Array(16).fill(9);
const fingerprint = new Fingerprint(SEED);

test("the same pair and seed give the same fingerprint, in every instance", () => {
  expect(fingerprintOf(fingerprint, "session", "request")).toEqual(fingerprintOf(fingerprint, "session", "request"));
  expect(fingerprintOf(new Fingerprint(SEED), "session", "request")).toEqual(fingerprintOf(fingerprint, "session", "request"));
});

test("another seed gives other fingerprints, so that collisions cannot be computed without it", () => {
  expect(fingerprintOf(new Fingerprint(randomSeed()), "session", "request")).not.toEqual(
    fingerprintOf(fingerprint, "session", "request"),
  );
});

test.each([
  ["the boundary between the parts", ["a", "bc"], ["ab", "c"]],
  ["an empty part", ["", "abc"], ["abc", ""]],
  ["zeros at the end", ["a", "b"], ["a", "b\0"]],
  ["zeros at the boundary", ["a\0\0\0", "b"], ["a", "b"]],
  ["the order of the parts", ["a", "b"], ["b", "a"]],
  ["the order within the last lane", ["abcdefg", "x"], ["abcdfeg", "x"]],
  ["lone surrogates", ["\ud800", "x"], ["\ud801", "x"]],
  ["a wide unit and its two bytes in the last lane", ["\u6162\0", "x"], ["ab", "x"]],
  ["a wide unit and its two bytes in a whole lane", ["\u0100\0\0\0", "x"], ["\0\u0001\0\0", "x"]],
  ["Latin-1 and its UTF-8", ["é", "x"], ["Ã©", "x"]],
] as const)("%s changes the fingerprint", (_, [first, second], [otherFirst, otherSecond]) => {
  expect(fingerprintOf(fingerprint, first, second)).not.toEqual(fingerprintOf(fingerprint, otherFirst, otherSecond));
});

test("distinct pairs of strings have distinct fingerprints (property test)", () => {
  const part = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.constantFrom("", "\0", "\xff", "\u0100"),
  );
  const pairs = fc.uniqueArray(fc.tuple(part, part), { minLength: 2, maxLength: 40, selector: (pair) => JSON.stringify(pair) });
  fc.assert(
    fc.property(pairs, (distinct) => {
      const seen = distinct.map(([first, second]) => fingerprintOf(fingerprint, first, second).join());
      expect(new Set(seen).size).toBe(distinct.length);
    }),
  );
});

test("very long keys that differ in the last character have distinct fingerprints", () => {
  for (const filler of ["k", "ключ"]) {
    const long = filler.repeat(5000);
    expect(fingerprintOf(fingerprint, long, `${long}1`)).not.toEqual(fingerprintOf(fingerprint, long, `${long}2`));
  }
});

function fingerprintOf(from: Fingerprint, first: string, second: string): [low: number, high: number] {
  from.compute(first, second);
  return [from.low, from.high];
}
