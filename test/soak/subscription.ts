import { create, toBinary } from "@bufbuild/protobuf";
import { encodeFrame } from "../../src/core/frame.ts";
import { privateKeyObject, rawPublicKey, sha256, signEd25519 } from "../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../src/crypto/signing-input.ts";
import { SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";

export const SUBSCRIBE_PATH = "/sallyport.v1.Gateway/SubscribeEvents";

/** Sessions that the clients take turns in: enough to go through the look-ups, few enough to fill no table. */
const SESSIONS = 64;

const privateKey = privateKeyObject(new Uint8Array(32).fill(7));
const payloadHash = sha256(new Uint8Array(0));
let subscriptions = 0;

/** The key of the one device that all sessions are of: base64 of its 32 bytes. */
export const DEVICE_PUBLIC_KEY = Buffer.from(rawPublicKey(privateKey)).toString("base64");

/** The one message of a fresh subscription, framed. */
export function subscription(): Uint8Array {
  const envelope = {
    protocolVersion: "v1",
    deviceSessionId: `soak-session-${subscriptions++ % SESSIONS}`,
    messageType: "gateway.subscribe",
    timestampMs: BigInt(Date.now()),
    requestId: Bun.randomUUIDv7(),
    payloadHash,
  };
  const signature = signEd25519(requestSigningInput(envelope), privateKey);
  return encodeFrame(0, toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, { envelope, signature })));
}
