import { expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { type FeedFrame, unwrap, wrapMessages } from "../../../../src/backend/feed/push-frames.ts";

const MESSAGE_BYTES_MAX = 20;
const END_FLAG = 0x02;

function frame(flags: number, body: Uint8Array | string, length = Buffer.byteLength(body)): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, Buffer.from(body)]);
}

/** Passes the bytes through `wrapMessages` in chunks of this size. Returns the messages and end frames that come out. */
async function wrapped(bytes: Uint8Array, chunkBytes = bytes.byteLength) {
  async function* chunks() {
    for (let at = 0; at < bytes.byteLength; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const out: Uint8Array[] = [];
  for await (const chunk of wrapMessages({ messageBytesMax: MESSAGE_BYTES_MAX, endFlag: END_FLAG })(chunks())) out.push(chunk);
  return read(Buffer.concat(out));
}

function read(bytes: Buffer): (FeedFrame | string)[] {
  const frames: (FeedFrame | string)[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    const body = bytes.subarray(at + 5, end);
    frames.push(bytes.readUInt8(at) === 0 ? text(unwrap(fromBinary(AnySchema, body))) : `end ${body}`);
    at = end;
  }
  return frames;
}

const text = (of: FeedFrame) => (typeof of === "string" ? of : `message ${Buffer.from(of)}`);

const STREAM = Buffer.concat([
  frame(0, "one"),
  frame(0, ""),
  frame(1, "compressed"),
  frame(0, "x".repeat(MESSAGE_BYTES_MAX)),
  frame(0, "x".repeat(MESSAGE_BYTES_MAX + 1)),
  frame(0, "two"),
  frame(0x40, "reserved"),
  frame(0, "three"),
  frame(END_FLAG, '{"error":{}}'),
]);

test.each([1, 2, 3, 4, 5, 6, 7, 13, 64, STREAM.byteLength])(
  "a stream that arrives in chunks of %i bytes is split into its messages",
  async (size) => {
    expect(await wrapped(STREAM, size)).toEqual([
      "message one",
      "message ",
      "undecodable",
      `message ${"x".repeat(MESSAGE_BYTES_MAX)}`,
      "too_large",
      "message two",
      "undecodable",
      "message three",
      'end {"error":{}}',
    ]);
  },
);

test("a stream that ends within a message fails, even if that message is skipped", async () => {
  for (const cut of [frame(0, "abc").subarray(0, 3), frame(0, "abc").subarray(0, 7), frame(0, "ab", 25), frame(1, "ab", 3)]) {
    await expect(wrapped(cut)).rejects.toThrow("the stream ended within a message");
  }
});

test("a length above 16 times the maximum fails the stream immediately", async () => {
  await expect(wrapped(frame(0, "ab", 0xffffffff))).rejects.toThrow("too large to skip");
  await expect(wrapped(frame(0, "ab", MESSAGE_BYTES_MAX * 16 + 1))).rejects.toThrow("too large to skip");
});
