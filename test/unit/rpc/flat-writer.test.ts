import { expect, test } from "bun:test";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FieldDescriptorProtoSchema, TimestampSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { ExecuteCommandResponseSchema, GatewayEventSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { PushEventSchema } from "../../../src/gen/sallyport/v1/push_pb.ts";
import { codecsOf } from "../../../src/rpc/codec.ts";
import { flatWriter } from "../../../src/rpc/flat-writer.ts";

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.string({ maxLength: 40 }));
const bytes = fc.uint8Array({ maxLength: 300 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const optional = { requiredKeys: [] };

const responses = fc.record(
  {
    envelope: fc.record(
      { protocolVersion: text, requestId: text, timestampMs: int64, resultCode: text, payloadHash: bytes, keyId: text },
      optional,
    ),
    payloadBytes: bytes,
    signature: bytes,
  },
  optional,
);
const events = fc.record(
  {
    envelope: fc.record({ eventType: text, eventId: text, audience: text, timestampMs: int64, keyId: text }, optional),
    payloadBytes: bytes,
  },
  optional,
);

/** protobuf-es is the second opinion. */
function expectSame<Desc extends DescMessage>(desc: Desc, message: MessageInitShape<Desc>): void {
  const { encode } = codecsOf(desc).proto;
  const whole = create(desc, message);
  expect(encode(message)).toEqual(toBinary(desc, whole));
  expect(encode(whole)).toEqual(toBinary(desc, whole));
}

test("a response is the bytes that any protobuf library reads and writes, whatever is in it and whatever is not", () => {
  expect(flatWriter(ExecuteCommandResponseSchema)).toBeDefined();
  fc.assert(fc.property(responses, (message) => expectSame(ExecuteCommandResponseSchema, message)));
});

test("so is an event", () => {
  expect(flatWriter(GatewayEventSchema)).toBeDefined();
  fc.assert(fc.property(events, (message) => expectSame(GatewayEventSchema, message)));
});

test("a long answer is whole, and so is the short one after it", () => {
  for (const payloadBytes of [new Uint8Array(300_000).fill(7), new Uint8Array(3).fill(9)]) {
    expectSame(ExecuteCommandResponseSchema, { payloadBytes, envelope: { requestId: "r".repeat(payloadBytes.length) } });
  }
});

test("a message that cannot be written leaves nothing in the one after it", () => {
  const { encode } = codecsOf(ExecuteCommandResponseSchema).proto;
  expect(() => encode({ envelope: { protocolVersion: "v1", timestampMs: 2n ** 64n } })).toThrow();
  expectSame(ExecuteCommandResponseSchema, { envelope: { requestId: "after" } });
});

const notFlat = [PushEventSchema, ErrorInfoSchema, TimestampSchema, ValueSchema, FieldDescriptorProtoSchema];

test.each(notFlat.map((desc) => [desc.typeName, desc] as const))(
  "%s has fields that are not flat, and none of them is lost",
  (_, desc) => expect(flatWriter(desc)).toBeUndefined(),
);
