import { expect, test } from "bun:test";
import { create, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  type FetchEventsResponse,
  FetchEventsResponseSchema,
  GatewayEventSchema,
} from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame } from "../../../src/rpc/frame.ts";
import { encodeFetchResponse } from "../../../src/service/fetch-response.ts";

/** Sizes around the bounds at which the length of an event takes one more byte. */
const PAYLOADS = [0, 1, 80, 100, 120, 16_300, 16_400, 2_097_100, 2_097_200];

const responses: readonly FetchEventsResponse[] = [[], [0], [0, 5], PAYLOADS].map((sizes) =>
  create(FetchEventsResponseSchema, {
    events: sizes.map((size) => ({
      envelope: { protocolVersion: "v1", eventId: `e-${size}`, eventType: 'a.b "ü"', timestampMs: 1n },
      payloadBytes: new Uint8Array(size).fill(7),
      signature: new Uint8Array(64),
    })),
  }),
);

test("a response of encoded events has the bytes of the encoded response, in proto", () => {
  for (const response of responses) {
    const frames = response.events.map((each) => encodeFrame(0, toBinary(GatewayEventSchema, each)));
    expect(Buffer.compare(encodeFetchResponse(frames, "proto"), toBinary(FetchEventsResponseSchema, response))).toBe(0);
  }
});

test("a response of encoded events is the response, in JSON", () => {
  for (const response of responses) {
    const frames = response.events.map((each) => encodeFrame(0, Buffer.from(toJsonString(GatewayEventSchema, each))));
    const json = new TextDecoder().decode(encodeFetchResponse(frames, "json"));
    expect(fromJsonString(FetchEventsResponseSchema, json)).toEqual(response);
  }
});
