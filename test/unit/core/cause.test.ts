import { expect, test } from "bun:test";
import { describeCause } from "../../../src/core/cause.ts";

/** What a parser says of a text stays out of the log: the text may be a password that was sent in the wrong form. */

function causeOf(text: string): string {
  try {
    JSON.parse(text);
    return "no error";
  } catch (error) {
    return describeCause(error);
  }
}

test("an error of JSON is told by its kind, without the text", () => {
  const kinds: Record<string, string> = {
    '{"code":hunter2}': "SyntaxError: Unexpected identifier",
    '{"code":"hunter2': "SyntaxError: Unterminated string",
    '{"code":"\\hunter2"}': "SyntaxError: Invalid escape character",
    '{"code":@hunter2}': "SyntaxError: Unrecognized token",
    "{'hunter2':1}": "SyntaxError: Single quotes",
    '{"code":1 hunter2}': "SyntaxError: Expected",
    "": "SyntaxError: Unexpected EOF",
  };
  for (const [text, kind] of Object.entries(kinds)) expect(causeOf(text)).toBe(kind);
});

test("no spelling of a broken text brings a part of it into the cause", () => {
  const secret = "hunter2";
  for (let at = 0; at <= 0xff; at++) {
    const character = String.fromCharCode(at);
    for (const text of [
      `{"a":${character}${secret}}`,
      `{"a":"${character}${secret}`,
      `${character}${secret}`,
      `{${character}${secret}:1}`,
    ]) {
      expect(causeOf(text)).not.toContain("hunter");
    }
  }
});

test("a cause is short, however long the messages of what was thrown are", () => {
  const deep = new Error("x".repeat(1e6), { cause: new Error("y".repeat(1e6), { cause: new TypeError("z".repeat(1e6)) }) });
  const cause = describeCause(deep);
  expect(cause.length).toBeLessThan(800);
  expect(cause).toMatch(/^Error: x+… < Error: y+… < TypeError: z+…$/);
});
