import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ExecuteCommandRequestSchema,
  ExecuteCommandResponseSchema,
  GatewayEventSchema,
  SubscribeEventsRequestSchema,
} from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame, FLAG_COMPRESSED, FRAME_HEADER_BYTES } from "../../src/rpc/frame.ts";
import { PROTOCOL_NAMES } from "../../src/rpc/protocol.ts";
import { piecesOf } from "../support/grpc-web-text.ts";
import { until } from "../support/until.ts";
import { type Device, metric, openWorld, type World } from "../support/world.ts";

/** The bytes of gRPC-Web text on the wire. The matrix tests and the browser tests show that clients understand them. */

const TEXT = "application/grpc-web-text";
const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";
const TRAILER_FLAG = 0x80;

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

function post(path: string, frame: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const base64 = Buffer.from(frame).toString("base64");
  const all = { "content-type": TEXT, accept: TEXT, ...headers };
  return fetch(`${world.gateway.edgeUrl}${path}`, { method: "POST", headers: all, body: base64 });
}

async function commandOf(device: Device, messageType: string, payload = {}): Promise<Uint8Array> {
  const signed = await device.signer.sign(messageType, new TextEncoder().encode(JSON.stringify(payload)));
  return toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, signed));
}

function framesIn(bytes: Buffer): { readonly flags: number; readonly message: Buffer }[] {
  const frames: { flags: number; message: Buffer }[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const end = at + FRAME_HEADER_BYTES + bytes.readUInt32BE(at + 1);
    frames.push({ flags: bytes.readUInt8(at), message: bytes.subarray(at + FRAME_HEADER_BYTES, end) });
    at = end;
  }
  return frames;
}

test("the number of streams is exported for every protocol, even if there is none", async () => {
  const text = await (await fetch(`${world.gateway.adminUrl}/metrics`)).text();
  for (const name of PROTOCOL_NAMES) expect(text).toContain(`sallyport_streams{protocol="${name}"} 0\n`);
});

test("each frame of a stream is sent as a padded piece of its own, so that it can be decoded when it arrives", async () => {
  const device = await world.login();
  const signed = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
  const request = toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, signed));
  const response = await post(SUBSCRIBE, encodeFrame(0, request));
  expect(response.headers.get("content-type")).toBe(`${TEXT}+proto`);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const nextEvent = async () => {
    const piece = (await reader?.read())?.value ?? "";
    const [frame, ...rest] = framesIn(Buffer.from(Uint8Array.fromBase64(piece, { lastChunkHandling: "strict" })));
    expect(rest).toEqual([]);
    return fromBinary(GatewayEventSchema, frame?.message ?? new Uint8Array());
  };
  expect((await nextEvent()).envelope?.eventType).toBe("gateway.server_time");
  expect(await metric(world.gateway, "sallyport_streams", '{protocol="grpc-web-text"}')).toBe(1);
  // Payloads of three lengths, so that pieces have each padding.
  for (const text of ["", "a", "ab"]) {
    await world.push({ device_session_id: device.deviceSessionId, event_type: "text.sent", payload: { text } });
    expect(JSON.parse(new TextDecoder().decode((await nextEvent()).payloadBytes))).toEqual({ text });
  }
  await world.revoke({ device_session_id: device.deviceSessionId });
  const [end] = framesIn(piecesOf((await reader?.read())?.value ?? ""));
  expect([end?.flags, end?.message.toString()]).toEqual([TRAILER_FLAG, expect.stringMatching(/grpc-status: ?9\b/)]);
  expect((await reader?.read())?.done).toBe(true);
  const ended = () =>
    world
      .logged()
      .split("\n")
      .find((line) => line.includes('"rpc":"SubscribeEvents"') && line.includes(device.deviceSessionId));
  await until(() => ended() !== undefined, "the log line of the stream");
  expect(JSON.parse(ended() ?? "")).toMatchObject({ protocol: "grpc-web-text", codec: "proto", reason: "SESSION_REVOKED" });
});

describe("messages are compressed inside their frames", () => {
  test("of a request", async () => {
    const device = await world.login();
    const packed = gzipSync(await commandOf(device, "user.profile.get"));
    const response = await post(EXECUTE, encodeFrame(FLAG_COMPRESSED, packed), { "grpc-encoding": "gzip" });
    const [answer, end] = framesIn(piecesOf(await response.text()));
    expect(end?.message.toString()).toMatch(/grpc-status: ?0\b/);
    const { envelope } = fromBinary(ExecuteCommandResponseSchema, gunzipIf(answer));
    expect(envelope?.resultCode).toBe("ok");
  });

  test("of a response, if it is long and the client accepts that", async () => {
    const device = await world.login();
    world.faults.on("/api/v1/user/test/down", () => Response.json({ text: "x".repeat(5000) }));
    const send = async (headers: Record<string, string>) => {
      const frame = encodeFrame(0, await commandOf(device, "test.down"));
      const response = await post(EXECUTE, frame, headers);
      return { encoding: response.headers.get("grpc-encoding"), frames: framesIn(piecesOf(await response.text())) };
    };
    const packed = await send({ "grpc-accept-encoding": "gzip" });
    expect([packed.encoding, packed.frames[0]?.flags]).toEqual(["gzip", FLAG_COMPRESSED]);
    const { payloadBytes } = fromBinary(ExecuteCommandResponseSchema, gunzipIf(packed.frames[0]));
    expect(payloadBytes.byteLength).toBeGreaterThan(5000);
    // As a newer published client sends it.
    const plain = await send({ "grpc-accept-encoding": "identity" });
    expect([plain.encoding, plain.frames[0]?.flags]).toEqual([null, 0]);
  });
});

function gunzipIf(frame: { readonly flags: number; readonly message: Buffer } | undefined): Uint8Array {
  if (frame === undefined) return new Uint8Array();
  return frame.flags === FLAG_COMPRESSED ? gunzipSync(frame.message) : frame.message;
}

test("a response without Accept has the form of the request", async () => {
  const device = await world.login();
  const frame = encodeFrame(0, await commandOf(device, "user.profile.get"));
  const headers = { "content-type": `${TEXT}+proto` };
  const body = Buffer.from(frame).toString("base64");
  const response = await fetch(`${world.gateway.edgeUrl}${EXECUTE}`, { method: "POST", headers, body });
  expect(framesIn(piecesOf(await response.text())).map(({ flags }) => flags)).toEqual([0, TRAILER_FLAG]);
});
