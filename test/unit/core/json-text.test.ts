import { expect, test } from "bun:test";
import fc from "fast-check";
import { type JsonChild, JsonTextError, scanJson } from "../../../src/core/json-text.ts";

type Verdict = "json" | "no json" | "read differently";

function verdict(text: string): Verdict {
  try {
    scanJson(text);
    return "json";
  } catch (thrown) {
    if (!(thrown instanceof JsonTextError)) throw thrown;
    return thrown.message === "the text is no JSON" ? "no json" : "read differently";
  }
}

/** The reference, by another way: the built-in parser, which keeps of equal names the last. */
function reference(text: string): Verdict {
  let names = 0;
  let isWhole = true;
  try {
    const value: unknown = JSON.parse(text, (name, inner: unknown) => {
      names += Array.isArray(inner) || typeof inner !== "object" || inner === null ? 0 : Object.keys(inner).length;
      isWhole &&= name.isWellFormed() && (typeof inner !== "string" || inner.isWellFormed());
      return inner;
    });
    void value;
  } catch {
    return "no json";
  }
  const outsideStrings = text.replace(/"(?:[^"\\]|\\.)*"/g, "");
  return isWhole && (outsideStrings.match(/:/g) ?? []).length === names ? "json" : "read differently";
}

/** Of a text that is no JSON, either may come first: what parsers read differently, or what none reads. */
function expectAlike(text: string): void {
  const expected = reference(text);
  if (expected === "no json") expect(verdict(text)).not.toBe("json");
  else expect([text, verdict(text)]).toEqual([text, expected]);
}

const PIECES = [
  ...["{", "}", "[", "]", ",", ":", '"', "\\", '"a"', '"b"', '"\\u0061"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00"'],
  ...["0", "-0", "1E400", "1.5e+7", "01", "1.", ".5", "-", "+1", "true", "false", "null", "nul", "NaN", " ", "\t", "\n", "\r"],
  ...[
    "\ufeff",
    "\u00a0",
    "\u0000",
    "\u2028",
    "\u00e9",
    '"\\x"',
    '"\\u00g0"',
    '"\\/"',
    '"__proto__"',
    '{"a":1,"a":2}',
    '{"a":[{}]}',
  ],
];

test("what is JSON, the built-in parser says too: random texts of JSON's own pieces", () => {
  const texts = fc.array(fc.constantFrom(...PIECES), { maxLength: 9 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(texts, (text) => {
      expectAlike(text);
    }),
    { numRuns: 20_000 },
  );
});

test("what is JSON, the built-in parser says too: values with one place changed", () => {
  const changed = fc.tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.nat(2), fc.constantFrom(...PIECES));
  fc.assert(
    fc.property(changed, ([json, place, removed, piece]) => {
      const at = place % (json.length + 1);
      const text = json.slice(0, at) + piece + json.slice(at + removed);
      expectAlike(text);
    }),
    { numRuns: 20_000 },
  );
});

test.each([
  ...['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"b":{"a":1,"c":0,"a":2}}]', '{"__proto__":1,"__proto__":2}', '{"":0,"":1}'],
  `{${Array.from({ length: 50 }, (_, at) => `"n${at % 49}":0`).join(",")}}`,
  ...['"\\ud800"', '"\\udc00"', '"\\udc00\\ud800"', '"\\ud800\\ud800\\udc00"', '"\\ud800\\n"', '"\\ud800x"', '{"\\ud800":1}'],
])("parsers read it differently: %p", (text) => {
  expect(verdict(text)).toBe("read differently");
});

test("equal names in objects of their own are no names that occur twice", () => {
  expect(verdict('[{"a":1},{"a":{"a":[{"a":2}]}}]')).toBe("json");
});

test("depth takes no stack, closed or not", () => {
  const depth = 200_000;
  expect(verdict("[".repeat(depth) + "]".repeat(depth))).toBe("json");
  expect(verdict(`${'{"a":'.repeat(depth)}0${"}".repeat(depth)}`)).toBe("json");
  expect(verdict("[".repeat(depth))).toBe("no json");
  expect(verdict('{"a":'.repeat(depth))).toBe("no json");
});

test("the outermost value's children are told by their own text, in their order", () => {
  const told: JsonChild[] = [];
  scanJson(' { "a" : 1.0 , "\\u0062":[1, {"c":2}] } ', (child) => told.push(child));
  expect(told).toEqual([
    { nameSource: '"a"', name: "a", source: "1.0" },
    { nameSource: '"\\u0062"', name: "b", source: '[1, {"c":2}]' },
  ]);
  const elements: string[] = [];
  scanJson('[-0, "x,]", 1E400 ,{}]', ({ source }) => elements.push(source));
  expect(elements).toEqual(["-0", '"x,]"', "1E400", "{}"]);
});
