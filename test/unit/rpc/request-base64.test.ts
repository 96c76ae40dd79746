import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { BODY_PIECES_MAX } from "../../../src/rpc/limits.ts";
import { base64CharactersMax, decodeBase64 } from "../../../src/rpc/request-base64.ts";

const ascii = (text: string) => Buffer.from(text, "latin1");
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

function outcome(body: Uint8Array): string {
  try {
    return Buffer.from(decodeBase64(body)).toString();
  } catch (error) {
    if (error instanceof ConnectError) return `${Code[error.code]}: ${error.rawMessage}`;
    throw error;
  }
}

const REFUSED = "InvalidArgument: the request cannot be read as base64";

describe("a body in base64", () => {
  test("is decoded however its bytes are split into padded pieces", () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 60 });
    fc.assert(
      fc.property(pieces, (split) => {
        const body = ascii(split.map(base64).join(""));
        expect(Buffer.from(decodeBase64(body))).toEqual(Buffer.concat(split));
        expect(body.byteLength).toBeLessThanOrEqual(base64CharactersMax(Buffer.concat(split).byteLength));
      }),
    );
  });

  test("is accepted in exactly one spelling: a change of one character gives other bytes or a refusal", () => {
    const anyByte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), fc.nat(), anyByte, (bytes, position, replaced) => {
        const body = ascii(base64(bytes));
        const at = position % body.byteLength;
        fc.pre(body[at] !== replaced);
        body[at] = replaced;
        let decoded: Uint8Array;
        try {
          decoded = decodeBase64(body);
        } catch (error) {
          expect(error).toBeInstanceOf(ConnectError);
          return;
        }
        expect(Buffer.from(decoded)).not.toEqual(Buffer.from(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test("may be a view into a larger buffer", () => {
    expect(outcome(ascii("????QUJD????").subarray(4, 8))).toBe("ABC");
  });

  const cases: readonly (readonly [text: string, body: string, outcome: string])[] = [
    ["no characters", "", ""],
    ["one piece", "QUJDRA==", "ABCD"],
    ["pieces with each padding", "QQ==QUI=QUJDQQ==", "AABABCA"],
    ["no padding", "QUJDRA", REFUSED],
    ["half of the padding", "QUJDRA=", REFUSED],
    ["too much padding", "QUJDRA====", REFUSED],
    ["padding alone", "====", REFUSED],
    ["padding after one character", "Q===", REFUSED],
    ["padding within a group", "QQ=AQUJD", REFUSED],
    ["padding at the start of a group", "QUJD=QQQ", REFUSED],
    ["non-zero bits in two characters of padding", "QR==", REFUSED],
    ["non-zero bits in one character of padding", "QUJ=", REFUSED],
    ["non-zero bits in an inner piece", "QR==QUJD", REFUSED],
    ["the URL alphabet", "-_-_", REFUSED],
    ["a line break in the middle", "QUJD\nQUJD", REFUSED],
    ["line breaks of MIME, in whole groups", "QUJD\r\n\r\nQUJD", REFUSED],
    ["a line break at the end", "QUJDRA==\r\n\r\n", REFUSED],
    ["four spaces", "    ", REFUSED],
    ["spaces within a group", "Q U J D ", REFUSED],
    ["spaces within a padded group", "QQ= = QQ", REFUSED],
    ["a byte that is not ASCII", "QUJ\u00c4", REFUSED],
    ["a NUL", "QUJ\u0000", REFUSED],
    ["binary gRPC-Web", "\u0000\u0000\u0000\u0000", REFUSED],
  ];
  test.each(cases)("%s", (_, body, expected) => {
    expect(outcome(ascii(body))).toBe(expected);
  });

  test("may have as many pieces as a binary body may have chunks", () => {
    expect(outcome(ascii("QQ==".repeat(BODY_PIECES_MAX)))).toBe("A".repeat(BODY_PIECES_MAX));
    expect(outcome(ascii("QQ==".repeat(BODY_PIECES_MAX + 1)))).toBe("InvalidArgument: the request comes in too many pieces");
  });

  test("is never longer than base64CharactersMax, whatever its pieces", () => {
    const longest = (bytes: number) => {
      const single = Math.floor(BODY_PIECES_MAX + bytes / 1024) - 1;
      const pieces = [...new Array(Math.min(single, bytes)).fill(1), Math.max(0, bytes - single)];
      return pieces.reduce((sum, length) => sum + 4 * Math.ceil(length / 3), 0);
    };
    for (const bytes of [0, 1, 2, 3, 100, 512, 513, 1024, 16_384, 524_293]) {
      expect(longest(bytes)).toBeLessThanOrEqual(base64CharactersMax(bytes));
      expect(base64CharactersMax(bytes)).toBeLessThanOrEqual((bytes * 4) / 3 + bytes / 256 + 2056);
    }
  });
});
