import { expect, test } from "bun:test";
import fc from "fast-check";
import { type JsonChild, JsonTextError, scanJson } from "../../../src/core/json-text.ts";

type Verdict = "json" | "not json" | "ambiguous";

function verdict(text: string): Verdict {
  try {
    scanJson(text);
    return "json";
  } catch (thrown) {
    if (!(thrown instanceof JsonTextError)) throw thrown;
    return thrown.message === "the text is not JSON" ? "not json" : "ambiguous";
  }
}

/** The reference: the built-in parser, which keeps the last of duplicate names. */
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
    return "not json";
  }
  const outsideStrings = text.replace(/"(?:[^"\\]|\\.)*"/g, "");
  return isWhole && (outsideStrings.match(/:/g) ?? []).length === names ? "json" : "ambiguous";
}

/** A text that is not JSON may also be reported as ambiguous, if that is found first. */
function expectSameVerdict(text: string): void {
  const expected = reference(text);
  if (expected === "not json") expect(verdict(text)).not.toBe("json");
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

test("agrees with the built-in parser on random sequences of JSON tokens (property test)", () => {
  const texts = fc.array(fc.constantFrom(...PIECES), { maxLength: 9 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(texts, (text) => {
      expectSameVerdict(text);
    }),
    { numRuns: 20_000 },
  );
});

test("agrees with the built-in parser on JSON texts with one change (property test)", () => {
  const changed = fc.tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.nat(2), fc.constantFrom(...PIECES));
  fc.assert(
    fc.property(changed, ([json, place, removed, piece]) => {
      const at = place % (json.length + 1);
      const text = json.slice(0, at) + piece + json.slice(at + removed);
      expectSameVerdict(text);
    }),
    { numRuns: 20_000 },
  );
});

test.each([
  ...['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"b":{"a":1,"c":0,"a":2}}]', '{"__proto__":1,"__proto__":2}', '{"":0,"":1}'],
  `{${Array.from({ length: 50 }, (_, at) => `"n${at % 49}":0`).join(",")}}`,
  ...['"\\ud800"', '"\\udc00"', '"\\udc00\\ud800"', '"\\ud800\\ud800\\udc00"', '"\\ud800\\n"', '"\\ud800x"', '{"\\ud800":1}'],
])("duplicate names and lone surrogates are ambiguous: %p", (text) => {
  expect(verdict(text)).toBe("ambiguous");
});

test("equal names in different objects are not duplicates", () => {
  expect(verdict('[{"a":1},{"a":{"a":[{"a":2}]}}]')).toBe("json");
});

test("nesting depth uses no stack, in complete and in cut texts", () => {
  const depth = 200_000;
  expect(verdict("[".repeat(depth) + "]".repeat(depth))).toBe("json");
  expect(verdict(`${'{"a":'.repeat(depth)}0${"}".repeat(depth)}`)).toBe("json");
  expect(verdict("[".repeat(depth))).toBe("not json");
  expect(verdict('{"a":'.repeat(depth))).toBe("not json");
});

test("the children of the outermost value are reported in order, as source text", () => {
  const children: JsonChild[] = [];
  scanJson(' { "a" : 1.0 , "\\u0062":[1, {"c":2}] } ', (child) => children.push(child));
  expect(children).toEqual([
    { nameSource: '"a"', name: "a", source: "1.0" },
    { nameSource: '"\\u0062"', name: "b", source: '[1, {"c":2}]' },
  ]);
  const elements: string[] = [];
  scanJson('[-0, "x,]", 1E400 ,{}]', ({ source }) => elements.push(source));
  expect(elements).toEqual(["-0", '"x,]"', "1E400", "{}"]);
});
