import { expect, test } from "bun:test";
import fc from "fast-check";
import { Fingerprint, randomSeed } from "../../../../src/stores/memory/fingerprint.ts";

const SEED = new Uint8Array(16).fill(9);
const fingerprint = new Fingerprint(SEED);

test("the same pair has the same fingerprint, in every instance of one seed", () => {
  expect(take(fingerprint, "session", "request")).toEqual(take(fingerprint, "session", "request"));
  expect(take(new Fingerprint(SEED), "session", "request")).toEqual(take(fingerprint, "session", "request"));
});

test("another seed gives other fingerprints, so that collisions cannot be worked out elsewhere", () => {
  expect(take(new Fingerprint(randomSeed()), "session", "request")).not.toEqual(take(fingerprint, "session", "request"));
});

test.each([
  ["a moved border between the parts", ["a", "bc"], ["ab", "c"]],
  ["an empty part", ["", "abc"], ["abc", ""]],
  ["zeros at the end", ["a", "b"], ["a", "b\0"]],
  ["zeros at the border", ["a\0\0\0", "b"], ["a", "b"]],
  ["an order of the parts", ["a", "b"], ["b", "a"]],
  ["the order within the last lane", ["abcdefg", "x"], ["abcdfeg", "x"]],
  ["lone surrogates", ["\ud800", "x"], ["\ud801", "x"]],
  ["a wide unit and its two bytes in the last lane", ["\u6162\0", "x"], ["ab", "x"]],
  ["a wide unit and its two bytes in a whole lane", ["\u0100\0\0\0", "x"], ["\0\u0001\0\0", "x"]],
  ["Latin-1 and its UTF-8", ["é", "x"], ["Ã©", "x"]],
] as const)("%s makes a difference", (_, [first, second], [otherFirst, otherSecond]) => {
  expect(take(fingerprint, first, second)).not.toEqual(take(fingerprint, otherFirst, otherSecond));
});

test("no two pairs of any strings share a fingerprint", () => {
  const part = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.constantFrom("", "\0", "\xff", "\u0100"),
  );
  const pairs = fc.uniqueArray(fc.tuple(part, part), { minLength: 2, maxLength: 40, selector: (pair) => JSON.stringify(pair) });
  fc.assert(
    fc.property(pairs, (distinct) => {
      const seen = distinct.map(([first, second]) => take(fingerprint, first, second).join());
      expect(new Set(seen).size).toBe(distinct.length);
    }),
  );
});

test("keys longer than any of ours are told apart by their last character", () => {
  for (const filler of ["k", "ключ"]) {
    const long = filler.repeat(5000);
    expect(take(fingerprint, long, `${long}1`)).not.toEqual(take(fingerprint, long, `${long}2`));
  }
});

function take(from: Fingerprint, first: string, second: string): [low: number, high: number] {
  from.take(first, second);
  return [from.low, from.high];
}
