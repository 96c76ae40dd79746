import { describe, expect, test } from "bun:test";
import { brotliCompressSync, brotliDecompressSync, gzipSync, constants as zlib, zstdCompressSync } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { ExecuteCommandRequestSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { narrowWindow } from "../../../src/rpc/brotli-window.ts";
import { codecsOf } from "../../../src/rpc/codec.ts";
import { brotli, Compressions, gzip, zstd } from "../../../src/rpc/compression.ts";
import { BodyTooLarge } from "../../../src/rpc/http.ts";
import {
  JSON_BYTES_PER_ESCAPE,
  JSON_ESCAPES_MAX,
  JSON_NAME_BYTES_MAX,
  JSON_NUMBER_CHARACTERS_MAX,
  JSON_SPACE_BYTES_MAX,
  JSON_TOKENS_MAX,
  LENIENT_BASE64_CHARACTERS_MAX,
  MESSAGE_DEPTH_MAX,
  PROTO_FIELDS_MAX,
  UNPACK_RATIO_MAX,
  UNPACKED_BYTES_FREE,
} from "../../../src/rpc/limits.ts";
import { decodingCost } from "../../../src/rpc/peer-guard.ts";

/** The bounds of rpc/limits.ts: a message at a bound is decoded, and one over it is refused before it is parsed. */

const codecs = codecsOf(ExecuteCommandRequestSchema);
const BYTES_MAX = 512 * 1024;

function outcome(decode: () => unknown): string {
  try {
    decode();
    return "decoded";
  } catch (error) {
    if (error instanceof BodyTooLarge) return `over ${error.limitBytes}`;
    if (error instanceof ConnectError) return Code[error.code];
    throw error;
  }
}

const json = (text: string | Uint8Array) => outcome(() => codecs.json.decode(Buffer.from(text)));
const proto = (...parts: (readonly number[] | Uint8Array)[]) =>
  outcome(() => codecs.proto.decode(Buffer.concat(parts.map((part) => Uint8Array.from(part)))));
const times = (n: number, bytes: readonly number[]) => Buffer.alloc(n * bytes.length, Uint8Array.from(bytes));

describe("JSON", () => {
  const numbers = (count: number) => `{"x":[${new Array(count).fill("1").join(",")}]}`;
  const TOKENS_AROUND = '{"x":[]}'.length - 2;
  const AT_AND_BEYOND: readonly (readonly [what: string, of: (n: number) => string, max: number])[] = [
    ["values", (n) => numbers(n), Math.floor((JSON_TOKENS_MAX - TOKENS_AROUND + 1) / 2)],
    ["levels", (n) => `{"x":${"[".repeat(n - 1)}${"]".repeat(n - 1)}}`, MESSAGE_DEPTH_MAX],
    ["digits of a number", (n) => `{"x":${"1".repeat(n)}}`, JSON_NUMBER_CHARACTERS_MAX],
    ["digits of a number in text", (n) => `{"envelope":{"timestampMs":"${"1".padStart(n, "0")}"}}`, JSON_NUMBER_CHARACTERS_MAX],
    ["white space", (n) => `${" ".repeat(n)}{}`, JSON_SPACE_BYTES_MAX],
    ["bytes of a name", (n) => `{"${"a".repeat(n)}":1}`, JSON_NAME_BYTES_MAX],
  ];
  test.each(AT_AND_BEYOND)("%s", (_, of, max) => {
    expect(json(of(max))).toBe("decoded");
    expect(json(of(max + 1))).toBe("InvalidArgument");
  });

  test("escapes are bounded, but base64 with PHP's escaped slashes is decoded", () => {
    const php = JSON.stringify(Buffer.alloc(300_000, 0xff).toString("base64").slice(0, 4)).slice(1, -1);
    expect(php).toBe("////");
    const line = `${"QUJD".repeat(16)}\\/`;
    expect(json(`{"x":"${line.repeat(6000)}"}`)).toBe("decoded");
    const most = JSON_ESCAPES_MAX + Math.floor((2 * JSON_ESCAPES_MAX) / JSON_BYTES_PER_ESCAPE);
    expect(json(`{"x":"${"\\n".repeat(JSON_ESCAPES_MAX)}"}`)).toBe("decoded");
    expect(json(`{"x":"${"\\n".repeat(most + 10)}"}`)).toBe("InvalidArgument");
    expect(json(`{"x":"${'\\"'.repeat(100_000)}"}`)).toBe("InvalidArgument");
  });

  test.each([
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '{"é":1,"\\u00e9":2}',
    '{"x":{"a":1,"b":[{"c":1}],"a":2}}',
    '{"x":[{"a":1},{"b":2,"b":3}]}',
  ])("a repeated name in one object is refused: %s", (text) => {
    expect(json(text)).toBe("InvalidArgument");
  });

  test.each([
    '{"a":{"a":{"a":1}},"b":{"a":1}}',
    '{"x":[{"a":1},{"a":2}]}',
    '{"x":["a","a"],"a":"a"}',
    '{"x":"{\\"a\\":1,\\"a\\":2}"}',
    '{"a\\"":1,"a":2}',
  ])("the same name in different objects is accepted: %s", (text) => {
    expect(json(text)).toBe("decoded");
  });

  test("base64 of any length is decoded in both alphabets, with and without padding", () => {
    for (const length of [3000, 100_000, 100_001, 100_002]) {
      const payload = crypto.getRandomValues(new Uint8Array(Math.min(length, 65_536)));
      const whole = Buffer.concat([payload, Buffer.alloc(length - payload.byteLength, 7)]);
      for (const text of [
        whole.toString("base64"),
        whole.toString("base64").replace(/=+$/, ""),
        whole.toString("base64url"),
        whole.toBase64({ alphabet: "base64url" }),
      ]) {
        const { payloadBytes } = codecs.json.decode(Buffer.from(JSON.stringify({ payloadBytes: text })));
        expect(Buffer.compare(payloadBytes, whole)).toBe(0);
      }
    }
  });

  test.each(["%", "é", "=A=A", "A"])("invalid base64 is refused, long or short: %s", (end) => {
    for (const length of [4, LENIENT_BASE64_CHARACTERS_MAX]) {
      expect(json(`{"payloadBytes":"${"QUJD".repeat(length / 4)}${end}"}`)).toBe("InvalidArgument");
    }
  });

  test("long base64 must use one alphabet, with padding only at its end", () => {
    for (const end of ["-+", "QQ==QUJD"]) {
      expect(json(`{"payloadBytes":"QUJD${end}AA"}`)).toBe("decoded");
      expect(json(`{"payloadBytes":"${"QUJD".repeat(LENIENT_BASE64_CHARACTERS_MAX / 4)}${end}AA"}`)).toBe("InvalidArgument");
    }
  });

  test("invalid UTF-8 is refused", () => {
    expect(json(Buffer.concat([Buffer.from(`{"x":"${"é".repeat(200_000)}`), Buffer.from([0xff, 0x22, 0x7d])]))).toBe(
      "InvalidArgument",
    );
  });

  test("a byte order mark is ignored", () => {
    expect(json(`\ufeff{"x":1}`)).toBe("decoded");
  });
});

describe("binary", () => {
  const UNKNOWN = [0x78, 0x01];
  const MERGED = [0x0a, 0x00];
  const IN_ENVELOPE = [0x0a, 0x02, 0x20, 0x01];
  test.each([
    ["unknown fields", UNKNOWN, PROTO_FIELDS_MAX],
    ["merged messages", MERGED, PROTO_FIELDS_MAX],
    ["fields of merged messages", IN_ENVELOPE, PROTO_FIELDS_MAX / 2],
  ])("%s", (_, field, max) => {
    expect(proto(times(max, field))).toBe("decoded");
    expect(proto(times(max + 1, field))).toBe("InvalidArgument");
  });

  test("nested groups", () => {
    const nested = (n: number) => [times(n, [0x23]), times(n, [0x24])] as const;
    expect(proto(...nested(MESSAGE_DEPTH_MAX - 1))).toBe("decoded");
    expect(proto(...nested(MESSAGE_DEPTH_MAX))).toBe("InvalidArgument");
  });

  test("fields within groups count", () => {
    expect(proto([0x23], times(PROTO_FIELDS_MAX, UNKNOWN), [0x24])).toBe("InvalidArgument");
  });

  test("a known field with a wrong wire type is counted as protobuf-es reads it", () => {
    // protobuf-es reads field 2 by its type, bytes, though the wire type is start-group.
    expect(proto([0x13, 0x00])).toBe("decoded");
    expect(proto(times(PROTO_FIELDS_MAX + 1, [0x13, 0x00]))).toBe("InvalidArgument");
  });

  test("a varint of more than ten bytes", () => {
    expect(proto([0x78, ...new Array(9).fill(0x80), 0x01])).toBe("decoded");
    expect(proto([0x78, ...new Array(10).fill(0x80), 0x01])).toBe("InvalidArgument");
  });

  test("a long string with invalid UTF-8 is refused", () => {
    const text = Buffer.concat([Buffer.from("é".repeat(100_000)), Buffer.from([0xff])]);
    const field = [0x12, 0xc1, 0x9a, 0x0c];
    expect(proto([0x0a, 0xc5, 0x9a, 0x0c], field, text)).toBe("InvalidArgument");
  });
});

describe("decompression", () => {
  const PACKERS = [
    { compression: gzip, pack: (bytes: Uint8Array) => gzipSync(bytes) },
    { compression: brotli, pack: (bytes: Uint8Array) => brotliCompressSync(bytes) },
    { compression: zstd, pack: (bytes: Uint8Array) => zstdCompressSync(bytes) },
  ];
  const noise = crypto.getRandomValues(new Uint8Array(3000));
  /** Data of length `bytes` that compresses to about the length of `noise`. */
  const stretched = (bytes: number) => Buffer.concat([noise, new Uint8Array(bytes - noise.byteLength)]);

  test.each(PACKERS)(
    "$compression.name: a fixed limit holds for small messages, a ratio for larger ones",
    ({ compression, pack }) => {
      const unpacked = (bytes: Uint8Array) => outcome(() => compression.decompress(bytes, BYTES_MAX));
      expect(unpacked(pack(new Uint8Array(UNPACKED_BYTES_FREE)))).toBe("decoded");
      expect(unpacked(pack(new Uint8Array(UNPACKED_BYTES_FREE + 1)))).toBe(`over ${UNPACKED_BYTES_FREE}`);
      expect(unpacked(pack(stretched(noise.byteLength * UNPACK_RATIO_MAX)))).toBe("decoded");
      expect(unpacked(pack(stretched(BYTES_MAX)))).toMatch(/^over 3\d{5}$/);
      expect(unpacked(pack(Buffer.concat([crypto.getRandomValues(new Uint8Array(6000)), new Uint8Array(BYTES_MAX)])))).toBe(
        `over ${BYTES_MAX}`,
      );
      expect(compression.decompress(pack(stretched(200_000)), BYTES_MAX)).toEqual(stretched(200_000));
    },
  );

  test("a compressed message costs a failure per 16 KiB, or per window of 2^18 that it may decompress to", () => {
    const cost = (bytes: number) => decodingCost(bytes, true, BYTES_MAX);
    expect([1, 2600, 2700, 32 * 1024, 33 * 1024, BYTES_MAX].map(cost)).toEqual([1, 1, 2, 3, 3, 32]);
    expect([0, 16 * 1024, 16 * 1024 + 1, BYTES_MAX].map((bytes) => decodingCost(bytes, false, BYTES_MAX))).toEqual([
      0, 0, 1, 1,
    ]);
  });

  const WINDOWS = Array.from({ length: 15 }, (_, at) => 10 + at);
  const TEXTS = [
    "",
    "{}",
    Array.from({ length: 3000 }, (_, n) => `{"n":${(n * 7919) % 1009}}`).join(","),
    Buffer.from(noise).toString("latin1"),
    `the quick brown fox ${"and so on ".repeat(9000)}`,
  ].map((text) => Buffer.from(text, "latin1"));
  test.each(WINDOWS)("a brotli stream with a window of 2^%d decompresses to the same bytes with a narrower one", (bits) => {
    for (const text of TEXTS) {
      for (const quality of [0, 1, 5, 11]) {
        const options = { params: { [zlib.BROTLI_PARAM_LGWIN]: bits, [zlib.BROTLI_PARAM_QUALITY]: quality } };
        const packed = brotliCompressSync(text, options);
        for (const bound of [text.byteLength, 262_128, 262_129, 524_288, 1 << 24]) {
          expect(brotliDecompressSync(narrowWindow(packed, Math.max(text.byteLength, bound)))).toEqual(text);
        }
        expect(packed).toEqual(brotliCompressSync(text, options));
      }
    }
  });

  test("the window of a decompression bomb is narrowed to the allowed output", () => {
    const bomb = brotliCompressSync(new Uint8Array(16 << 20), { params: { [zlib.BROTLI_PARAM_LGWIN]: 24 } });
    const windowOf = ([first = 0]: Uint8Array) => 17 + ((first >> 1) & 7);
    expect([windowOf(bomb), windowOf(narrowWindow(bomb, 1)), windowOf(narrowWindow(bomb, 524_288))]).toEqual([24, 18, 20]);
  });

  test("invalid brotli keeps its length", () => {
    for (const bytes of [[], [0x11], [0xff], [0x91, 0xff, 0xff]]) {
      expect(narrowWindow(Uint8Array.from(bytes), 100).byteLength).toBe(bytes.length);
    }
  });
});

describe("an overlong list", () => {
  const names = { timeout: "", encoding: "content-encoding", acceptEncoding: "accept-encoding" };
  const negotiate = (headers: Readonly<Record<string, string>>) =>
    new Compressions([gzip]).negotiate(names, { get: (name) => headers[name] ?? null });

  test("in Accept-Encoding is ignored: the response is not compressed", () => {
    expect(negotiate({ "accept-encoding": "gzip" }).response).toBe(gzip);
    expect(negotiate({ "accept-encoding": `${",".repeat(16_000)}gzip` }).response).toBeUndefined();
  });

  test("in Content-Encoding is an unknown compression", () => {
    expect(outcome(() => negotiate({ "content-encoding": `${",".repeat(16_000)}gzip` }))).toBe("Unimplemented");
  });
});
