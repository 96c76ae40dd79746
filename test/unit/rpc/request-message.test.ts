import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { BodyTooLarge, type HttpRequest } from "../../../src/rpc/http.ts";
import { readMessage } from "../../../src/rpc/request-message.ts";

const BYTES_MAX = 8;

class TooLarge extends Error {}

function requestWith(read: (bytesMax: number) => Promise<Uint8Array>): HttpRequest {
  return {
    method: "POST",
    path: "/",
    query: "",
    headers: { get: () => null },
    allHeaders: () => new Headers(),
    readBody: read,
    body: () => ({ read: () => Promise.resolve(undefined), cancel() {} }),
    signal: () => new AbortController().signal,
    release() {},
    trailers: false,
    peer: undefined,
  };
}

function read(body: readonly number[], framed: boolean): Promise<Uint8Array> {
  const request = requestWith((bytesMax) =>
    body.length > bytesMax ? Promise.reject(new BodyTooLarge(bytesMax)) : Promise.resolve(new Uint8Array(body)),
  );
  return readMessage(request, {
    framed,
    bytesMax: BYTES_MAX,
    compression: undefined,
    tooLarge: () => new TooLarge(),
    beforeDecoding() {},
  });
}

async function outcome(body: readonly number[], framed = true): Promise<string> {
  try {
    return [...(await read(body, framed))].join(" ");
  } catch (error) {
    if (error instanceof ConnectError) return Code[error.code];
    if (error instanceof TooLarge) return "too large";
    throw error;
  }
}

describe("a framed request must contain exactly one message:", () => {
  const cases: readonly (readonly [text: string, body: readonly number[], outcome: string])[] = [
    ["one message", [0, 0, 0, 0, 2, 7, 8], "7 8"],
    ["an empty message", [0, 0, 0, 0, 0], ""],
    ["a message at the limit", [0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8], "1 2 3 4 5 6 7 8"],
    ["an empty body", [], "Unimplemented"],
    ["half a header", [0, 0, 0], "InvalidArgument"],
    ["fewer bytes than announced", [0, 0, 0, 0, 3, 7, 8], "InvalidArgument"],
    ["two messages", [0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 1, 8], "Unimplemented"],
    ["a byte too many", [0, 0, 0, 0, 1, 7, 8], "Unimplemented"],
    ["an announced length over the limit", [0, 0, 0, 0, 9, 1], "too large"],
    ["an announced length of 4 GiB", [0, 255, 255, 255, 255], "too large"],
    ["a compressed message without an announced compression", [1, 0, 0, 0, 1, 7], "Internal"],
    ["the end-of-stream flag", [2, 0, 0, 0, 1, 7], "InvalidArgument"],
    ["the trailer flag", [128, 0, 0, 0, 1, 7], "InvalidArgument"],
    ["an unknown flag", [4, 0, 0, 0, 1, 7], "InvalidArgument"],
    ["more bytes than the limit and a header", new Array(14).fill(0), "too large"],
  ];
  test.each(cases)("%s", async (_, body, expected) => {
    expect(await outcome(body)).toBe(expected);
  });

  test("a view into a larger buffer is read at its own offset", async () => {
    const bytes = new Uint8Array([9, 9, 9, 0, 0, 0, 0, 2, 7, 8, 9]).subarray(3, 10);
    const options = {
      framed: true,
      bytesMax: BYTES_MAX,
      compression: undefined,
      tooLarge: () => new TooLarge(),
      beforeDecoding() {},
    };
    expect([
      ...(await readMessage(
        requestWith(() => Promise.resolve(bytes)),
        options,
      )),
    ]).toEqual([7, 8]);
  });
});

describe("an unframed request is its message", () => {
  test("up to the limit", async () => {
    expect(await outcome([1, 2, 3, 4, 5, 6, 7, 8], false)).toBe("1 2 3 4 5 6 7 8");
    expect(await outcome([], false)).toBe("");
    expect(await outcome([1, 2, 3, 4, 5, 6, 7, 8, 9], false)).toBe("too large");
  });
});

test("a disconnected body is `canceled`", async () => {
  const request = requestWith(() => Promise.reject(new Error("connection reset")));
  const options = {
    framed: false,
    bytesMax: BYTES_MAX,
    compression: undefined,
    tooLarge: () => new TooLarge(),
    beforeDecoding() {},
  };
  const error = await readMessage(request, options).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: Code.Canceled });
});
