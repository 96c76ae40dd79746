/** The one device of benchmarks and soaks: every session is its own. Its messages are bytes, for clients that are to cost as little as they can. */
import { create, toBinary } from "@bufbuild/protobuf";
import { privateKeyObject, rawPublicKey, sha256, signEd25519 } from "../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../src/crypto/signing-input.ts";
import { ExecuteCommandRequestSchema, SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame } from "../../src/rpc/frame.ts";

export const SUBSCRIBE_PATH = "/sallyport.v1.Gateway/SubscribeEvents";

const privateKey = privateKeyObject(new Uint8Array(32).fill(7));
const payloadHash = sha256(new Uint8Array(0));

/** The device's key: base64 of its 32 bytes. */
export const DEVICE_PUBLIC_KEY = Buffer.from(rawPublicKey(privateKey)).toString("base64");

/** A fresh command without a payload, encoded. */
export function command(deviceSessionId: string, messageType: string): Uint8Array<ArrayBuffer> {
  return toBinary(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, signed(deviceSessionId, messageType)));
}

/** A fresh subscription, framed: the whole body of the request. */
export function subscription(deviceSessionId: string): Uint8Array {
  const request = create(SubscribeEventsRequestSchema, signed(deviceSessionId, "gateway.subscribe"));
  return encodeFrame(0, toBinary(SubscribeEventsRequestSchema, request));
}

/** The same over HTTP/1.1, with its head. */
export function subscriptionOverHttp1(deviceSessionId: string, contentType: string): Uint8Array {
  const body = subscription(deviceSessionId);
  const head = `POST ${SUBSCRIBE_PATH} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.byteLength}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** The fields of the same over HTTP/2. */
export function subscriptionFields(contentType: string) {
  return { ":method": "POST", ":path": SUBSCRIBE_PATH, "content-type": contentType, te: "trailers" };
}

function signed(deviceSessionId: string, messageType: string) {
  const envelope = {
    protocolVersion: "v1",
    deviceSessionId,
    messageType,
    timestampMs: BigInt(Date.now()),
    requestId: Bun.randomUUIDv7(),
    payloadHash,
  };
  return { envelope, signature: signEd25519(requestSigningInput(envelope), privateKey) };
}
