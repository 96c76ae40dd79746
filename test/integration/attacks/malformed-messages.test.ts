import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { SignedRequest } from "../../../src/client/request-signer.ts";
import {
  ExecuteCommandRequestSchema,
  ExecuteCommandResponseSchema,
  RequestEnvelopeSchema,
} from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { CARRIERS, type RawAnswer } from "../../support/raw-http.ts";
import { type Device, openWorld, type World } from "../../support/world.ts";

/** Messages that parsers may read differently. The gateway uses what it verifies; an undecodable message is an error of the protocol. */

const RPC = "/sallyport.v1.Gateway/ExecuteCommand";
const EMPTY = new Uint8Array(0);

let world: World;
let device: Device;
beforeAll(async () => {
  world = await openWorld();
  device = await world.login();
});
afterAll(() => world.close());

const urlOf = (listener: "edge" | "grpc") => (listener === "edge" ? world.gateway.edgeUrl : world.gateway.grpcUrl);

const bytes = (...parts: (readonly number[] | Uint8Array)[]) => Buffer.concat(parts.map((part) => Uint8Array.from(part)));

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

const field = (number: number, value: Uint8Array) => bytes([(number << 3) | 2], varint(value.byteLength), value);
const envelopeBytes = (request: SignedRequest) =>
  toBinary(RequestEnvelopeSchema, create(RequestEnvelopeSchema, request.envelope));
const messageBytes = (request: SignedRequest) =>
  toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, request));
const sign = () => device.signer.sign("user.profile.get", EMPTY);

describe.each(CARRIERS)("over $name", ({ listener, send }) => {
  const post = (body: Uint8Array | string, type: "proto" | "json") =>
    send(urlOf(listener), { path: RPC, headers: { "content-type": `application/${type}` }, body });

  /** The result code, the reason of the refusal, or the error code of the protocol. */
  async function outcome(body: Uint8Array | string, type: "proto" | "json" = "proto"): Promise<string> {
    return describeAnswer(await post(body, type), type);
  }

  test("the unchanged request is admitted, so that the changes below cause the refusals", async () => {
    expect(await outcome(messageBytes(await sign()))).toBe("ok");
    const json = toJsonString(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, await sign()));
    expect(await outcome(json, "json")).toBe("200");
  });

  test("a duplicate envelope: the last value of each field counts, and the signature must match it", async () => {
    const [honest, forged] = [await sign(), await device.signer.sign("user.profile.update", EMPTY)];
    const evil = { ...forged, envelope: { ...forged.envelope, messageType: "chat.message.send" } };
    const tail = bytes(field(2, honest.payloadBytes), field(3, honest.signature));
    expect(await outcome(bytes(field(1, envelopeBytes(honest)), field(1, envelopeBytes(evil)), tail))).toBe(
      "SIGNATURE_INVALID",
    );
    expect(await outcome(bytes(field(1, envelopeBytes(evil)), field(1, envelopeBytes(honest)), tail))).toBe("ok");
  });

  test("a duplicate payload: the last one counts, and must be the signed one", async () => {
    const [first, second] = [await sign(), await sign()];
    const swapped = field(2, new TextEncoder().encode('{"swapped":true}'));
    expect(await outcome(bytes(messageBytes(first), swapped))).toBe("PAYLOAD_HASH_MISMATCH");
    expect(await outcome(bytes(swapped, messageBytes(second), field(2, EMPTY)))).toBe("ok");
  });

  test("a duplicate signature: the last one counts", async () => {
    const request = await sign();
    expect(await outcome(bytes(messageBytes(request), field(3, new Uint8Array(64))))).toBe("SIGNATURE_INVALID");
  });

  test("unknown fields are ignored: a replay with one is still a replay", async () => {
    const request = messageBytes(await sign());
    const later = bytes(field(15, new TextEncoder().encode("later")), [0x78, 0x01]);
    expect(await outcome(bytes(request, later))).toBe("ok");
    expect(await outcome(request)).toBe("REQUEST_REPLAYED");
    expect(await outcome(bytes(later, request, later))).toBe("REQUEST_REPLAYED");
  });

  test("over-long varints are decoded: a replay with one is still a replay", async () => {
    const request = await sign();
    expect(await outcome(messageBytes(request))).toBe("ok");
    const envelope = envelopeBytes(request);
    const longTag = [0x8a, 0x80, 0x00];
    const again = bytes(longTag, varint(envelope.byteLength), envelope, field(2, EMPTY), field(3, request.signature));
    expect(["REQUEST_REPLAYED", "invalid_argument"]).toContain(await outcome(again));
  });

  test.each([
    ["endless varint", bytes(new Array(30).fill(0xff))],
    ["field that is cut off", bytes([0x0a, 0x20, 0x0a])],
    ["length of 4 GiB", bytes([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ["groups in groups", bytes(new Array(10_000).fill(0x23))],
    ["session id that is not UTF-8", field(1, field(2, bytes([0xc3, 0x28])))],
    ["session id with an overlong slash", field(1, field(2, bytes([0xc0, 0xaf])))],
  ])("%s: invalid_argument", async (_, body) => {
    expect(await outcome(body)).toBe("invalid_argument");
  });

  test("JSON with duplicate keys is refused, because parsers differ in which one they use", async () => {
    const json = toJsonString(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, await sign()));
    expect(await outcome(json.replace('"envelope":{', '"envelope":{"messageType":"chat.message.send",'), "json")).toBe(
      "invalid_argument",
    );
  });

  test.each([
    ["number out of range", '{"envelope":{"timestampMs":1e999}}'],
    ["timestamp beyond 64 bits", '{"envelope":{"timestampMs":"99999999999999999999"}}'],
    ["endless nesting", `{"x":${"[".repeat(50_000)}`],
    ["bytes that are not base64", '{"signature":"%%%"}'],
    ["text that is not JSON", "envelope=1"],
    ["lone quote", '"'],
    ["nothing", ""],
  ])("JSON: %s: invalid_argument", async (_, body) => {
    expect(await outcome(body, "json")).toBe("invalid_argument");
  });

  test("JSON: deep nesting in an unknown field is refused or ignored without a crash", async () => {
    const deep = `{"later":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
    expect(["MALFORMED_ENVELOPE", "invalid_argument"]).toContain(await outcome(deep, "json"));
  });

  test("JSON: text that is not UTF-8 is refused", async () => {
    expect(
      await outcome(bytes(new TextEncoder().encode('{"envelope":{"requestId":"'), [0xff], [0x22, 0x7d, 0x7d]), "json"),
    ).toBe("invalid_argument");
  });

  test("an empty message is refused for its missing envelope", async () => {
    expect(await outcome(EMPTY)).toBe("MALFORMED_ENVELOPE");
    expect(await outcome("{}", "json")).toBe("MALFORMED_ENVELOPE");
    expect(await outcome('{"envelope":null}', "json")).toBe("MALFORMED_ENVELOPE");
  });
});

function describeAnswer(answer: RawAnswer | undefined, type: "proto" | "json"): string {
  if (answer === undefined) return "no answer";
  if (answer.status === 200 && type === "proto") {
    return fromBinary(ExecuteCommandResponseSchema, answer.body).envelope?.resultCode ?? "no envelope";
  }
  if (answer.status === 200) return "200";
  const error: { code: string; details?: { debug?: { reason?: string } }[] } = JSON.parse(answer.body.toString());
  return error.details?.[0]?.debug?.reason ?? error.code;
}
