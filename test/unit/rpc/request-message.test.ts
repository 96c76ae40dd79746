import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { BodyTooLarge, type HttpRequest } from "../../../src/rpc/http.ts";
import { readMessage } from "../../../src/rpc/request-message.ts";

const BYTES_MAX = 8;

class TooLarge extends Error {}

const OPTIONS = {
  bodyForm: "binary",
  bytesMax: BYTES_MAX,
  compression: undefined,
  tooLarge: () => new TooLarge(),
  beforeDecoding() {},
} as const;

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
  return readMessage(request, { ...OPTIONS, framed });
}

function outcome(body: readonly number[], framed = true): Promise<string> {
  return outcomeOf(() => read(body, framed));
}

/** The bytes of the message, or the error. */
async function outcomeOf(call: () => Promise<Uint8Array>): Promise<string> {
  try {
    return [...(await call())].join(" ");
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
    const request = requestWith(() => Promise.resolve(bytes));
    expect([...(await readMessage(request, { ...OPTIONS, framed: true }))]).toEqual([7, 8]);
  });
});

describe("an unframed request is its message", () => {
  test("up to the limit", async () => {
    expect(await outcome([1, 2, 3, 4, 5, 6, 7, 8], false)).toBe("1 2 3 4 5 6 7 8");
    expect(await outcome([], false)).toBe("");
    expect(await outcome([1, 2, 3, 4, 5, 6, 7, 8, 9], false)).toBe("too large");
  });
});

describe("a request in base64", () => {
  async function textOutcome(body: string, beforeDecoding = (_bytes: number) => {}): Promise<string> {
    const request = requestWith(async (bytesMax) => {
      if (body.length > bytesMax) throw new BodyTooLarge(bytesMax);
      return Buffer.from(body);
    });
    const options = { ...OPTIONS, framed: true, bodyForm: "base64" as const, beforeDecoding };
    return outcomeOf(() => readMessage(request, options));
  }
  const framed = (message: readonly number[]) => Uint8Array.of(0, 0, 0, 0, message.length, ...message);

  test("is one padded piece, or a piece for the header and a piece for the message", async () => {
    expect(await textOutcome(framed([7, 8]).toBase64())).toBe("7 8");
    expect(await textOutcome(`${framed([7, 8]).subarray(0, 5).toBase64()}${Uint8Array.of(7, 8).toBase64()}`)).toBe("7 8");
  });

  test("is limited by its decoded length, not by its encoded length", async () => {
    const atLimit = Array.from({ length: BYTES_MAX }, (_, n) => n);
    expect(await textOutcome(framed(atLimit).toBase64())).toBe(atLimit.join(" "));
    expect(await textOutcome([...framed(atLimit)].map((byte) => Uint8Array.of(byte).toBase64()).join(""))).toBe(
      atLimit.join(" "),
    );
    expect(await textOutcome(framed([...atLimit, 8]).toBase64())).toBe("too large");
    expect(await textOutcome("AAAA".repeat(600))).toBe("too large");
  });

  test("must contain exactly one message", async () => {
    expect(await textOutcome("")).toBe("Unimplemented");
    expect(await textOutcome("AAAA")).toBe("InvalidArgument");
    expect(await textOutcome(framed([7]).toBase64().repeat(2))).toBe("Unimplemented");
    expect(await textOutcome("AAAAAAA")).toBe("InvalidArgument");
  });

  test("is checked against the failure budget before base64 is decoded, and again with its exact length", async () => {
    const checked: number[] = [];
    expect(await textOutcome(framed([1, 2]).toBase64(), (bytes) => void checked.push(bytes))).toBe("1 2");
    expect(checked).toEqual([4, 2]);
    const refuse = () => {
      throw new ConnectError("no failure tokens", Code.ResourceExhausted);
    };
    expect(await textOutcome("!!!!", refuse)).toBe("ResourceExhausted");
  });
});

test("a disconnected body is `canceled`", async () => {
  const request = requestWith(() => Promise.reject(new Error("connection reset")));
  const error = await readMessage(request, { ...OPTIONS, framed: false }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: Code.Canceled });
});
