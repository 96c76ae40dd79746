import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { describeCause, messageOf } from "../../../src/core/cause.ts";

/** Parser errors must not bring their text into the log: it may hold a password that was sent in the wrong format. */

function causeOf(text: string): string {
  try {
    JSON.parse(text);
    return "no error";
  } catch (error) {
    return describeCause(error);
  }
}

test("a JSON error is logged as its kind, without the text", () => {
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

test("a refused and a cut connection are logged without Bun's advice", async () => {
  const server = createServer((socket) => socket.once("data", () => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  const failure = () => fetch(url, { method: "POST", body: "{}" }).catch((error: unknown) => error);
  const cut = await failure();
  await new Promise((resolve) => server.close(resolve));
  const refused = await failure();
  expect(messageOf(cut)).toBe("ECONNRESET: the server closed the connection");
  expect(messageOf(refused)).toBe("ECONNREFUSED: connection refused");
  expect(describeCause(refused)).toBe("TypeError: ECONNREFUSED: connection refused");
});

test("no malformed text appears in the cause", () => {
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

test("a cause is short, however long the messages are", () => {
  const deep = new Error("x".repeat(1e6), { cause: new Error("y".repeat(1e6), { cause: new TypeError("z".repeat(1e6)) }) });
  const cause = describeCause(deep);
  expect(cause.length).toBeLessThan(800);
  expect(cause).toMatch(/^Error: x+… < Error: y+… < TypeError: z+…$/);
});
