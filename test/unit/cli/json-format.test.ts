import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { minifiedJson, prettyJson } from "../../../src/cli/output/json-format.ts";
import { printable, printableLine } from "../../../src/cli/output/printable.ts";
import { PLAIN } from "../../../src/cli/output/style.ts";

describe("JSON as text", () => {
  test("the formats of any JSON are those of JSON.stringify", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        const spaced = JSON.stringify(value, undefined, 7);
        expect(minifiedJson(spaced)).toBe(text);
        expect(JSON.parse(prettyJson(text, PLAIN))).toEqual(JSON.parse(text));
        expect(prettyJson(spaced, PLAIN).replace(/\\u[0-9a-f]{4}/g, "")).toBe(
          printableJson(JSON.stringify(value, undefined, 2)).replace(/\\u[0-9a-f]{4}/g, ""),
        );
      }),
    );
  });

  test("numbers keep their digits, and names that occur twice are kept", () => {
    expect(minifiedJson('{ "a": 1.10, "a": 12345678901234567890, "b": -0.0e+5 }')).toBe(
      '{"a":1.10,"a":12345678901234567890,"b":-0.0e+5}',
    );
  });

  test("strings keep their white space, quotes and brackets", () => {
    const text = '{"a b":"x \\" , : { [ \\\\","c":""}';
    expect(minifiedJson(text)).toBe(text);
    expect(prettyJson(text, PLAIN)).toBe('{\n  "a b": "x \\" , : { [ \\\\",\n  "c": ""\n}');
  });

  test("a large string is one token", () => {
    const text = JSON.stringify("x".repeat(2_000_000));
    expect(minifiedJson(text)).toBe(text);
  });
});

/** `JSON.stringify` leaves characters unescaped that `prettyJson` escapes, outside of its own line breaks. */
function printableJson(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

test("characters that control a terminal or the direction of text are escaped", () => {
  expect(printable("a\u001b[31m\u009b\u202e\u200b\u2028\n\u007fé漢🙂")).toBe(
    "a\\u001b[31m\\u009b\\u202e\\u200b\\u2028\\u000a\\u007fé漢🙂",
  );
  expect(printableLine("x".repeat(1000)).length).toBe(301);
  expect(printableLine("\ud800")).toBe("\ufffd");
});
