import { expect, test } from "bun:test";
import { describeCause } from "../../../src/core/cause.ts";
import { refuse } from "../../../src/core/refusal.ts";
import { fromSentRefusal, toSentRefusal } from "../../../src/workers/messages.ts";

/** A refusal that crosses the processes of a gateway. */

function parseError(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

test.each([
  [
    "a chain of errors",
    new Error("look-up failed", { cause: new Error("connection refused", { cause: new Error("x".repeat(300)) }) }),
  ],
  ["a parser's error, which would quote a secret", parseError('{"code":hunter2}')],
  ["a text", "push feed gap"],
])("another process logs the same cause: %s", (_, cause) => {
  const refusal = refuse("SESSION_LOOKUP_UNAVAILABLE", { cause, retryAfterMs: 7 });
  const received = fromSentRefusal(structuredClone(toSentRefusal(refusal)));
  expect(describeCause(received.cause)).toBe(describeCause(cause));
  expect([received.reason, received.retryAfterMs]).toEqual(["SESSION_LOOKUP_UNAVAILABLE", 7]);
});

test("an unknown error becomes INTERNAL with its cause", () => {
  const received = fromSentRefusal(toSentRefusal(new TypeError("not a function")));
  expect([received.reason, describeCause(received.cause)]).toEqual(["INTERNAL", "TypeError: not a function"]);
});
