import { describe, expect, test } from "bun:test";
import {
  eventSigningInput,
  type RequestFields,
  requestSigningInput,
  responseSigningInput,
} from "../../../src/crypto/signing-input.ts";
import { GOLDEN } from "./golden-vectors.ts";

const REQUEST: RequestFields = {
  protocolVersion: "v1",
  deviceSessionId: "ds-1",
  messageType: "user.profile.get",
  timestampMs: 1_760_000_000_000n,
  requestId: "req-0001",
  payloadHash: new Uint8Array(32),
};

describe("signing inputs are the golden vectors' bytes, so that clients in any language interoperate", () => {
  for (const [at, vector] of GOLDEN.entries()) {
    test(`case ${at + 1}: request, response, event`, () => {
      expect(requestSigningInput(vector.request.fields)).toEqual(vector.request.signingInput);
      expect(responseSigningInput(vector.response.fields)).toEqual(vector.response.signingInput);
      expect(eventSigningInput(vector.event.fields)).toEqual(vector.event.signingInput);
    });
  }
});

describe("no two different messages share a signing input", () => {
  test("text moved across the border of two fields changes the bytes", () => {
    const one = requestSigningInput({ ...REQUEST, deviceSessionId: "ds-1u", messageType: "ser.profile.get" });
    expect(one).not.toEqual(requestSigningInput({ ...REQUEST, deviceSessionId: "ds-1", messageType: "user.profile.get" }));
  });

  test("each field of a request, changed alone, changes the bytes", () => {
    const changes: Partial<RequestFields>[] = [
      { protocolVersion: "v2" },
      { deviceSessionId: "ds-2" },
      { messageType: "user.profile.set" },
      { timestampMs: REQUEST.timestampMs + 1n },
      { requestId: "req-0002" },
      { payloadHash: new Uint8Array(32).fill(1) },
    ];
    const inputs = [{}, ...changes].map((change) =>
      Buffer.from(requestSigningInput({ ...REQUEST, ...change })).toString("hex"),
    );
    expect(new Set(inputs).size).toBe(changes.length + 1);
  });

  test("a response's bytes are never an event's or a request's: the domain comes first", () => {
    const domains = GOLDEN.flatMap(({ request, response, event }) => [
      requestSigningInput(request.fields),
      responseSigningInput(response.fields),
      eventSigningInput(event.fields),
    ]).map((input) => new TextDecoder().decode(input.subarray(4, 4 + (input[3] ?? 0))));
    expect([...new Set(domains)].sort()).toEqual(["sallyport.event.v1", "sallyport.request.v1", "sallyport.response.v1"]);
  });
});

test("fields of more than one byte a character are framed by their length in bytes", () => {
  const fields = { ...REQUEST, messageType: "Żółć ☂ 漢字 🗝" };
  const utf8 = new TextEncoder().encode(fields.messageType);
  const input = Buffer.from(requestSigningInput(fields));
  const at = input.indexOf(utf8);
  expect(at).toBeGreaterThan(4);
  expect(input.readUInt32BE(at - 4)).toBe(utf8.byteLength);
  expect(input.byteLength).toBe(requestSigningInput(REQUEST).byteLength + utf8.byteLength - REQUEST.messageType.length);
});

test("times before 1970 and at the end of 64 bits are two's complement", () => {
  const timeOf = (timestampMs: bigint) => {
    const input = Buffer.from(requestSigningInput({ ...REQUEST, timestampMs }));
    const end = input.byteLength - (4 + 32) - (4 + REQUEST.requestId.length);
    return input.subarray(end - 8, end).toString("hex");
  };
  expect(timeOf(-1n)).toBe("ffffffffffffffff");
  expect(timeOf(2n ** 63n - 1n)).toBe("7fffffffffffffff");
});
