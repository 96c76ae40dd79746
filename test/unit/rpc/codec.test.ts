import { describe, expect, test } from "bun:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ExecuteCommandRequestSchema, RequestEnvelopeSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { type CodecName, codecsOf } from "../../../src/rpc/codec.ts";

const codecs = codecsOf(ExecuteCommandRequestSchema);
const utf8 = (text: string) => new TextEncoder().encode(text);
const bytes = (...parts: (readonly number[] | Uint8Array)[]) => Buffer.concat(parts.map((part) => Uint8Array.from(part)));
/** A length-delimited field. */
const lengthDelimited = (field: number, value: Uint8Array) => bytes([(field << 3) | 2, value.byteLength], value);

function codeOf(codec: CodecName, message: Uint8Array): string {
  try {
    codecs[codec].decode(message);
    return "decoded";
  } catch (error) {
    if (error instanceof ConnectError) return Code[error.code];
    throw error;
  }
}

const MESSAGE = {
  envelope: { protocolVersion: "v1", deviceSessionId: "s-1", timestampMs: 9_007_199_254_740_993n, payloadHash: utf8("hash") },
  payloadBytes: new Uint8Array([0, 255, 1]),
  signature: new Uint8Array(64).fill(7),
};

test.each(["proto", "json"] as const)("%s round-trips a message, with all digits of an int64", (codec) => {
  expect(codecs[codec].decode(codecs[codec].encode(MESSAGE))).toMatchObject(MESSAGE);
});

describe("proto", () => {
  test("unknown fields are discarded", () => {
    const flood = Buffer.alloc(1000, bytes([0x78, 0x01]));
    const message = codecs.proto.decode(
      bytes(toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, MESSAGE)), flood),
    );
    expect(message).toMatchObject(MESSAGE);
    expect(message.$unknown).toBeUndefined();
  });

  test.each([
    ["bytes that are not a message", bytes([0xff, 0xff, 0xff, 0xff])],
    ["an incomplete field", bytes([0x12, 0x7f, 0x00])],
    ["a length beyond the end", bytes([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ["an overlong varint", bytes(new Array(20).fill(0x80))],
    ["an overlong varint as a tag", bytes(new Array(10).fill(0xff), [0x01])],
    ["field number 0", bytes([0x00, 0x00])],
    ["an unknown wire type", bytes([0x0f])],
    ["a group that does not end", bytes([0x1b, 0x08])],
    ["text that is not UTF-8", lengthDelimited(1, lengthDelimited(2, bytes([0xc3, 0x28])))],
    ["an overlong encoding of a slash", lengthDelimited(1, lengthDelimited(2, bytes([0xc0, 0xaf])))],
    ["a lone surrogate", lengthDelimited(1, lengthDelimited(2, bytes([0xed, 0xa0, 0x80])))],
  ])("%s: invalid_argument", (_, message) => {
    expect(codeOf("proto", message)).toBe("InvalidArgument");
  });

  test("deeply nested groups do not crash the process", () => {
    expect(["InvalidArgument", "decoded"]).toContain(codeOf("proto", bytes(new Array(500_000).fill(0x23))));
  });

  test("the last occurrence of a scalar field counts, and repeated envelopes merge, as Protobuf specifies", () => {
    const envelope = (fields: MessageInitShape<typeof RequestEnvelopeSchema>) =>
      lengthDelimited(1, toBinary(RequestEnvelopeSchema, create(RequestEnvelopeSchema, fields)));
    const twice = bytes(envelope({ requestId: "first-one", messageType: "a.b" }), envelope({ requestId: "second-one" }));
    expect(codecs.proto.decode(twice).envelope).toMatchObject({ requestId: "second-one", messageType: "a.b" });
  });

  test("unknown fields are ignored", () => {
    const known = codecs.proto.encode(MESSAGE);
    expect(codecs.proto.decode(bytes(known, lengthDelimited(15, utf8("later")), [0x78, 0x01]))).toMatchObject(MESSAGE);
  });
});

describe("json", () => {
  test.each([
    ["invalid JSON", utf8("{")],
    ["an empty text", utf8("")],
    ["a list", utf8("[]")],
    ["a string", utf8('"x"')],
    ["bytes that are not UTF-8", bytes(utf8('{"payloadBytes":"'), [0xc3, 0x28], utf8('"}'))],
    ["an int64 out of range", utf8('{"envelope":{"timestampMs":"9223372036854775808"}}')],
    ["a number out of range", utf8('{"envelope":{"timestampMs":1e400}}')],
    ["a fraction of a millisecond", utf8('{"envelope":{"timestampMs":1.5}}')],
    ["invalid base64 for a bytes field", utf8('{"signature":"!!"}')],
    ["an object for a string field", utf8('{"envelope":{"requestId":{}}}')],
    ["a number for a string field", utf8('{"envelope":{"requestId":7}}')],
    ["the same field under both of its names", utf8('{"payloadBytes":"AA==","payload_bytes":"AQ=="}')],
  ])("%s: invalid_argument", (_, message) => {
    expect(codeOf("json", message)).toBe("InvalidArgument");
  });

  test("deep nesting does not crash the process", () => {
    expect(codeOf("json", utf8(`{"x":${"[".repeat(200_000)}`))).toBe("InvalidArgument");
    const deep = `{"envelope":{"unknown":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`;
    expect(["InvalidArgument", "decoded"]).toContain(codeOf("json", utf8(deep)));
  });

  test("a repeated name is refused, since parsers differ in which value they take", () => {
    expect(codeOf("json", utf8('{"envelope":{"requestId":"first-one","requestId":"second-one"}}'))).toBe("InvalidArgument");
    expect(codeOf("json", utf8('{"signature":"AQ==","signature":"AQ=="}'))).toBe("InvalidArgument");
  });

  test("`__proto__` and `constructor` are unknown fields, and change no prototype", () => {
    const message = codecs.json.decode(utf8('{"__proto__":{"signature":"AAAA"},"constructor":{"prototype":{"x":1}}}'));
    expect(message.signature).toEqual(new Uint8Array(0));
    expect(Object.prototype).not.toHaveProperty("x");
  });

  test("unknown fields are ignored", () => {
    expect(codecs.json.decode(utf8('{"later":{"a":[1]},"signature":"AQ=="}')).signature).toEqual(new Uint8Array([1]));
  });
});

test("a decoding error names the codec and contains nothing of the message", () => {
  for (const codec of ["proto", "json"] as const) {
    const error = ((): unknown => {
      try {
        return codecs[codec].decode(utf8('{"secret":'));
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(String(error)).toContain(`cannot be read as ${codec}`);
    expect(String(error)).not.toContain("secret");
  }
});
