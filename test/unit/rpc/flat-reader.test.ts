import { expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ExecuteCommandRequestSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { PushEventSchema } from "../../../src/gen/sallyport/v1/push_pb.ts";
import { codecsOf } from "../../../src/rpc/codec.ts";
import { flatReader } from "../../../src/rpc/flat-reader.ts";

const { decode } = codecsOf(ExecuteCommandRequestSchema).proto;

const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: "binary", maxLength: 200 }));
const bytes = fc.uint8Array({ maxLength: 300 });
const int64 = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 44n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
const envelope = fc.record(
  { protocolVersion: text, deviceSessionId: text, messageType: text, timestampMs: int64, requestId: text, payloadHash: bytes },
  { requiredKeys: [] },
);
const requests = fc
  .record({ envelope, payloadBytes: bytes, signature: bytes }, { requiredKeys: [] })
  .map((init) => toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, init)));
const mutations = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 });

/** The reference result, from protobuf-es. */
function expected(bytes: Uint8Array): unknown {
  try {
    return fromBinary(ExecuteCommandRequestSchema, bytes, { readUnknownFields: false });
  } catch {
    return "refused";
  }
}

function actual(bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch {
    return "refused";
  }
}

test("any encoded request is decoded as by protobuf-es", () => {
  fc.assert(fc.property(requests, (bytes) => expect(actual(bytes)).toEqual(expected(bytes))));
});

test("a request in the usual form is decoded by the fast path", () => {
  const usual = create(ExecuteCommandRequestSchema, {
    envelope: {
      protocolVersion: "v1",
      requestId: "a".repeat(36),
      timestampMs: 1_790_000_000_000n,
      payloadHash: new Uint8Array(32),
    },
    payloadBytes: new Uint8Array(200_000).fill(7),
    signature: new Uint8Array(64).fill(1),
  });
  expect<unknown>(flatReader(ExecuteCommandRequestSchema)?.(toBinary(ExecuteCommandRequestSchema, usual))).toEqual(usual);
});

test("corrupted bytes are decoded or refused as by protobuf-es", () => {
  const damaged = fc.tuple(requests, mutations, fc.nat(400)).map(([bytes, changes, length]) => {
    const damaged = bytes.slice(0, Math.max(bytes.length - 20, length));
    for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
    return damaged;
  });
  fc.assert(
    fc.property(damaged, (bytes) => expect(actual(bytes)).toEqual(expected(bytes))),
    { numRuns: 1000 },
  );
});

test("repeated, unordered, unknown, overlong and overrunning fields are decoded or refused as by protobuf-es", () => {
  for (const hex of [
    "1a01aa1a01bb",
    "1a01aa1201bb",
    "0a0012000a020a00",
    "a20601aa",
    "9a0001aa",
    "0a02200a04",
    "0a0420818000",
    "0a031a7f",
  ]) {
    const bytes = Uint8Array.fromHex(hex);
    expect(actual(bytes)).toEqual(expected(bytes));
  }
});

test("text that is not UTF-8 is refused", () => {
  expect(actual(Uint8Array.fromHex("0a040a02c328"))).toBe("refused");
});

test("a type with a oneof is left to protobuf-es", () => {
  expect(flatReader(PushEventSchema)).toBeUndefined();
});
