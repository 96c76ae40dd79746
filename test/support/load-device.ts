/**
 * The device of benchmarks and soaks. One key signs for every session. Messages are built as bytes, so that load clients use little CPU.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { privateKeyObject, rawPublicKey, sha256, signEd25519 } from "../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../src/crypto/signing-input.ts";
import {
  ExecuteCommandRequestSchema,
  FetchEventsRequestSchema,
  SubscribeEventsRequestSchema,
} from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame } from "../../src/rpc/frame.ts";

export const FETCH_PATH = "/sallyport.v1.Gateway/FetchEvents";
export const SUBSCRIBE_PATH = "/sallyport.v1.Gateway/SubscribeEvents";

const privateKey = privateKeyObject(new Uint8Array(32).fill(7));
const EMPTY = new Uint8Array(0);
const EMPTY_HASH = sha256(EMPTY);

/** The device's public key, 32 bytes in base64. */
export const DEVICE_PUBLIC_KEY = Buffer.from(rawPublicKey(privateKey)).toString("base64");

/** An encoded ExecuteCommand request with a new request id. */
export function command(deviceSessionId: string, messageType: string, payloadBytes = EMPTY): Uint8Array<ArrayBuffer> {
  const request = { ...signed(deviceSessionId, messageType, payloadBytes), payloadBytes };
  return toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, request));
}

/** An encoded FetchEvents request with an empty payload. It waits for the maximum time. */
export function poll(deviceSessionId: string): Uint8Array<ArrayBuffer> {
  return toBinary(FetchEventsRequestSchema, create(FetchEventsRequestSchema, signed(deviceSessionId, "gateway.fetch")));
}

/** An encoded SubscribeEvents request in one frame: the whole request body. */
export function subscription(deviceSessionId: string): Uint8Array {
  const request = create(SubscribeEventsRequestSchema, signed(deviceSessionId, "gateway.subscribe"));
  return encodeFrame(0, toBinary(SubscribeEventsRequestSchema, request));
}

/** An HTTP/1.1 SubscribeEvents request: head and body. */
export function subscriptionOverHttp1(deviceSessionId: string, contentType: string): Uint8Array {
  const body = subscription(deviceSessionId);
  const head = `POST ${SUBSCRIBE_PATH} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.byteLength}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** The HTTP/2 header fields of a SubscribeEvents request. */
export function subscriptionFields(contentType: string) {
  return { ":method": "POST", ":path": SUBSCRIBE_PATH, "content-type": contentType, te: "trailers" };
}

function signed(deviceSessionId: string, messageType: string, payloadBytes = EMPTY) {
  const envelope = {
    protocolVersion: "v1",
    deviceSessionId,
    messageType,
    timestampMs: BigInt(Date.now()),
    requestId: Bun.randomUUIDv7(),
    payloadHash: payloadBytes === EMPTY ? EMPTY_HASH : sha256(payloadBytes),
  };
  return { envelope, signature: signEd25519(requestSigningInput(envelope), privateKey) };
}
