import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Compression, gzip } from "../../../src/rpc/compression.ts";
import { encodeFrame, FLAG_COMPRESSED } from "../../../src/rpc/frame.ts";
import { FrameReader } from "../../../src/rpc/frame-reader.ts";
import type { BodySource } from "../../../src/rpc/http.ts";

const BYTES_MAX = 64;

class TooLarge extends Error {}

/** A body in pieces. Counts the reads. */
class Pieces implements BodySource {
  reads = 0;
  readonly #pieces: Uint8Array[];

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = [...pieces];
  }

  async read(): Promise<Uint8Array | undefined> {
    this.reads++;
    return this.#pieces.shift();
  }

  cancel(): void {}
}

function readerOf(source: BodySource, compression?: Compression): FrameReader {
  return new FrameReader(source, {
    framed: true,
    bodyForm: "binary",
    bytesMax: BYTES_MAX,
    compression,
    tooLarge: () => new TooLarge(),
    beforeDecoding() {},
  });
}

/** All messages as text. If reading fails, the last entry is the error. */
async function readAll(pieces: readonly Uint8Array[], compression: Compression | undefined = gzip): Promise<string[]> {
  const reader = readerOf(new Pieces(pieces), compression);
  const all: string[] = [];
  try {
    for (let message = await reader.next(); message !== undefined; message = await reader.next()) {
      all.push(Buffer.from(message).toString());
    }
  } catch (error) {
    if (error instanceof ConnectError) all.push(Code[error.code]);
    else if (error instanceof TooLarge) all.push("too large");
    else throw error;
  }
  return all;
}

const plain = encodeFrame(0, Buffer.from("first"));
const empty = encodeFrame(0, new Uint8Array(0));
const packed = encodeFrame(FLAG_COMPRESSED, gzip.compress(Buffer.from("packed")));
const body = Buffer.concat([plain, empty, packed]);
const MESSAGES = ["first", "", "packed"];

describe("messages are read whole from any pieces:", () => {
  test("in one piece", async () => {
    expect(await readAll([body])).toEqual(MESSAGES);
  });

  test("in two pieces, cut at every byte", async () => {
    for (let at = 0; at <= body.length; at++) {
      expect(await readAll([body.subarray(0, at), body.subarray(at)])).toEqual(MESSAGES);
    }
  });

  test("in three pieces, cut at every two bytes", async () => {
    for (let first = 0; first <= body.length; first++) {
      for (let second = first; second <= body.length; second++) {
        const pieces = [body.subarray(0, first), body.subarray(first, second), body.subarray(second)];
        expect(await readAll(pieces)).toEqual(MESSAGES);
      }
    }
  });

  test("byte by byte, with empty pieces between", async () => {
    expect(await readAll([...body].flatMap((byte) => [new Uint8Array(0), new Uint8Array([byte])]))).toEqual(MESSAGES);
  });

  test("a message does not change when later ones are read", async () => {
    const reader = readerOf(new Pieces([...body].map((byte) => new Uint8Array([byte]))), gzip);
    const first = await reader.next();
    while ((await reader.next()) !== undefined);
    expect(Buffer.from(first ?? []).toString()).toBe("first");
  });
});

describe("an invalid body is refused, after the valid messages before the fault:", () => {
  test("a body that ends at any byte within a message", async () => {
    const ends = [plain.length, plain.length + empty.length];
    for (let at = 1; at < body.length; at++) {
      if (ends.includes(at)) continue;
      expect((await readAll([body.subarray(0, at)])).at(-1)).toBe("InvalidArgument");
    }
  });

  test.each([
    ["Connect's end-of-stream flag, which only servers send", 2],
    ["gRPC-Web's trailer flag, which only servers send", 128],
    ["an unknown flag", 4],
  ])("%s", async (_, flags) => {
    expect(await readAll([plain, encodeFrame(flags, Buffer.from("x"))])).toEqual(["first", "InvalidArgument"]);
  });

  test("a compressed message without an announced compression", async () => {
    const reader = readerOf(new Pieces([packed]));
    expect(await reader.next().catch((error) => Code[error.code])).toBe("Internal");
  });

  test("a disconnected body, as `canceled`", async () => {
    const reader = readerOf({ read: () => Promise.reject(new Error("connection reset")), cancel() {} });
    expect(await reader.next().catch((error) => Code[error.code])).toBe("Canceled");
  });
});

describe("memory is bounded:", () => {
  test("a message at the limit is read, a longer one refused", async () => {
    const atLimit = Buffer.alloc(BYTES_MAX, "x");
    expect(await readAll([encodeFrame(0, atLimit)])).toEqual([atLimit.toString()]);
    expect(await readAll([encodeFrame(0, Buffer.alloc(BYTES_MAX + 1))])).toEqual(["too large"]);
  });

  test("an announced length of 4 GiB is refused before the message is read", async () => {
    const source = new Pieces([new Uint8Array([0, 255, 255, 255, 255]), new Uint8Array(1000)]);
    await expect(readerOf(source).next()).rejects.toBeInstanceOf(TooLarge);
    expect(source.reads).toBe(1);
  });

  test("a small message that decompresses to a large one is refused", async () => {
    const bomb = encodeFrame(FLAG_COMPRESSED, gzip.compress(Buffer.alloc(BYTES_MAX * 100)));
    expect(await readAll([plain, bomb])).toEqual(["first", "too large"]);
  });

  test("the reader reads on demand, and not beyond the requested message", async () => {
    const source = new Pieces([plain.subarray(0, 3), plain.subarray(3), packed, empty]);
    const reader = readerOf(source, gzip);
    expect(source.reads).toBe(0);
    await reader.next();
    expect(source.reads).toBe(2);
    await reader.next();
    expect(source.reads).toBe(3);
  });
});
