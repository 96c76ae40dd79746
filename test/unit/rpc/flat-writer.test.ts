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

/** The reference result, from protobuf-es. */
function expectSame<Desc extends DescMessage>(desc: Desc, message: MessageInitShape<Desc>): void {
  const { encode } = codecsOf(desc).proto;
  const whole = create(desc, message);
  expect(encode(message)).toEqual(toBinary(desc, whole));
  expect(encode(whole)).toEqual(toBinary(desc, whole));
}

test("any response is encoded as by protobuf-es", () => {
  expect(flatWriter(ExecuteCommandResponseSchema)).toBeDefined();
  fc.assert(fc.property(responses, (message) => expectSame(ExecuteCommandResponseSchema, message)));
});

test("any event is encoded as by protobuf-es", () => {
  expect(flatWriter(GatewayEventSchema)).toBeDefined();
  fc.assert(fc.property(events, (message) => expectSame(GatewayEventSchema, message)));
});

test("a long message and a short one after it are both encoded completely", () => {
  for (const payloadBytes of [new Uint8Array(300_000).fill(7), new Uint8Array(3).fill(9)]) {
    expectSame(ExecuteCommandResponseSchema, { payloadBytes, envelope: { requestId: "r".repeat(payloadBytes.length) } });
  }
});

test("a message that fails to encode leaves no bytes in the next one", () => {
  const { encode } = codecsOf(ExecuteCommandResponseSchema).proto;
  expect(() => encode({ envelope: { protocolVersion: "v1", timestampMs: 2n ** 64n } })).toThrow();
  expectSame(ExecuteCommandResponseSchema, { envelope: { requestId: "after" } });
});

const notFlat = [PushEventSchema, ErrorInfoSchema, TimestampSchema, ValueSchema, FieldDescriptorProtoSchema];

test.each(notFlat.map((desc) => [desc.typeName, desc] as const))(
  "%s is not flat, and protobuf-es encodes all of its fields",
  (_, desc) => expect(flatWriter(desc)).toBeUndefined(),
);
