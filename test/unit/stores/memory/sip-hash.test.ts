import { expect, test } from "bun:test";
import { SipHash13 } from "../../../../src/stores/memory/sip-hash.ts";

/** Key 00 01 … 0f. */
const KEY = Uint8Array.from({ length: 16 }, (_, index) => index);

/** Digests of the messages 00 01 … (length - 1). The SipHash-1-3 vectors are from the tests of Rust's core library. */
const VECTORS: readonly (readonly [length: number, digest: string])[] = [
  [0, "dcc40f055801acab"],
  [1, "93ca577df39bf4c9"],
  [2, "4dd4c74d029bcb82"],
  [3, "fbf7dde7b80af88b"],
  [4, "2883d388605775cf"],
  [5, "673b53492fd5f9de"],
  [6, "a7229fc5502b0dc5"],
  [7, "4011b19b987d92d3"],
  [8, "8e9a298d11959036"],
  [9, "e43d066cb38ea425"],
  [15, "5699512a6dd820d3"],
  [16, "668b907d1add4fcc"],
  [31, "bcd1218c1fdd7023"],
  [32, "0db6a7166c7b1581"],
  [63, "a8b3bbb76290199d"],
];

test.each(VECTORS)("the published digest of %d bytes is reproduced, whatever bytes follow the message", (length, digest) => {
  const hash = new SipHash13(KEY);
  const bytes = new Uint8Array(hash.lanes.buffer).fill(0xaa);
  for (let at = 0; at < length; at++) bytes[at] = at;
  hash.digest(length);
  expect(digestHex(hash)).toBe(digest);
});

test("a message longer than the initial buffer is hashed whole", () => {
  const hash = new SipHash13(KEY);
  const length = hash.lanes.byteLength * 3;
  hash.reserve(length);
  const digests = [0, 1].map((last) => {
    new Uint8Array(hash.lanes.buffer).fill(7, 0, length).set([last], length - 1);
    hash.digest(length);
    return digestHex(hash);
  });
  expect(digests[0]).not.toBe(digests[1]);
});

test("the buffer has room for the length word of a message that just fits", () => {
  const hash = new SipHash13(KEY);
  for (let length = 0; length < 4096; length += 8) {
    hash.reserve(length);
    expect(hash.lanes.byteLength).toBeGreaterThanOrEqual(length + 8);
  }
});

test("a key of another length is refused", () => {
  expect(() => new SipHash13(new Uint8Array(15))).toThrow(RangeError);
});

test("a later change of the key's bytes has no effect", () => {
  const key = KEY.slice();
  const hash = new SipHash13(key);
  key.fill(0);
  hash.digest(0);
  expect(digestHex(hash)).toBe("dcc40f055801acab");
});

function digestHex(hash: SipHash13): string {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32LE(hash.low, 0);
  bytes.writeInt32LE(hash.high, 4);
  return bytes.toString("hex");
}
