import { describe, expect, test } from "bun:test";
import {
  eventSigningInput,
  type RequestFields,
  requestSigningInput,
  responseSigningInput,
} from "../../../src/crypto/signing-input.ts";
import { GOLDEN, GOLDEN_ADDITIONS } from "./golden-vectors.ts";

const REQUEST: RequestFields = {
  protocolVersion: "v1",
  deviceSessionId: "ds-1",
  messageType: "user.profile.get",
  timestampMs: 1_760_000_000_000n,
  requestId: "req-0001",
  payloadHash: new Uint8Array(32),
};

describe("golden vectors: the signing inputs equal those of an independent implementation", () => {
  for (const [at, vector] of GOLDEN.entries()) {
    test(`case ${at + 1}: request, response, event`, () => {
      expect(requestSigningInput(vector.request.fields)).toEqual(vector.request.signingInput);
      expect(responseSigningInput(vector.response.fields)).toEqual(vector.response.signingInput);
      expect(eventSigningInput(vector.event.fields)).toEqual(vector.event.signingInput);
    });
  }
});

describe("golden additions: the signing inputs with an idempotency key equal those of an independent implementation", () => {
  for (const [at, { fields, signingInput }] of GOLDEN_ADDITIONS.entries()) {
    test(`case ${at + 1}: ${fields.idempotencyKey === "" ? "no key" : "a key"}`, () => {
      expect(requestSigningInput(fields)).toEqual(signingInput);
    });
  }
});

test("an empty idempotency key and a missing one have the same signing input", () => {
  expect(requestSigningInput({ ...REQUEST, idempotencyKey: "" })).toEqual(requestSigningInput(REQUEST));
});

describe("two different messages never have the same signing input", () => {
  test("moving a character from one field to the next changes the input", () => {
    const one = requestSigningInput({ ...REQUEST, deviceSessionId: "ds-1u", messageType: "ser.profile.get" });
    expect(one).not.toEqual(requestSigningInput({ ...REQUEST, deviceSessionId: "ds-1", messageType: "user.profile.get" }));
  });

  test("changing any single field of a request changes the input", () => {
    const changes: Partial<RequestFields>[] = [
      { protocolVersion: "v2" },
      { deviceSessionId: "ds-2" },
      { messageType: "user.profile.set" },
      { timestampMs: REQUEST.timestampMs + 1n },
      { requestId: "req-0002" },
      { payloadHash: new Uint8Array(32).fill(1) },
      { idempotencyKey: "order-0001" },
      { idempotencyKey: "order-0002" },
    ];
    const inputs = [{}, ...changes].map((change) =>
      Buffer.from(requestSigningInput({ ...REQUEST, ...change })).toString("hex"),
    );
    expect(new Set(inputs).size).toBe(changes.length + 1);
  });

  test("requests, responses and events start with different domains", () => {
    const domains = GOLDEN.flatMap(({ request, response, event }) => [
      requestSigningInput(request.fields),
      responseSigningInput(response.fields),
      eventSigningInput(event.fields),
    ]).map((input) => new TextDecoder().decode(input.subarray(4, 4 + (input[3] ?? 0))));
    expect([...new Set(domains)].sort()).toEqual(["sallyport.event.v1", "sallyport.request.v1", "sallyport.response.v1"]);
  });
});

test("the frame length of a non-ASCII field counts bytes, not characters", () => {
  const fields = { ...REQUEST, messageType: "Żółć ☂ 漢字 🗝" };
  const utf8 = new TextEncoder().encode(fields.messageType);
  const input = Buffer.from(requestSigningInput(fields));
  const at = input.indexOf(utf8);
  expect(at).toBeGreaterThan(4);
  expect(input.readUInt32BE(at - 4)).toBe(utf8.byteLength);
  expect(input.byteLength).toBe(requestSigningInput(REQUEST).byteLength + utf8.byteLength - REQUEST.messageType.length);
});

test("negative and 64-bit timestamps are encoded in two's complement", () => {
  const timeOf = (timestampMs: bigint) => {
    const input = Buffer.from(requestSigningInput({ ...REQUEST, timestampMs }));
    const end = input.byteLength - (4 + 32) - (4 + REQUEST.requestId.length);
    return input.subarray(end - 8, end).toString("hex");
  };
  expect(timeOf(-1n)).toBe("ffffffffffffffff");
  expect(timeOf(2n ** 63n - 1n)).toBe("7fffffffffffffff");
});
