import {
  FETCH_MESSAGE_TYPE,
  isDeviceSessionId,
  isIdempotencyKey,
  isMessageType,
  isRequestId,
  isReservedType,
  PROTOCOL_VERSION,
  SUBSCRIBE_MESSAGE_TYPE,
} from "../core/grammar.ts";
import { SIGNATURE_BYTES } from "../core/keys.ts";
import { PAYLOAD_HASH_BYTES } from "../core/limits.ts";
import { type Refusal, refuse } from "../core/refusal.ts";
import type { RequestEnvelope } from "../gen/sallyport/v1/gateway_pb.ts";
import { type PrecheckedRequest, proven, type Rpc, type WellFormed } from "./proof.ts";

/**
 * Check 1. Throws unless every field follows the rules of proto/README.md, "Envelope rules". The version is checked first,
 * because it decides which rules apply.
 */
export function checkEnvelope(request: PrecheckedRequest, payloadBytesMax: number): WellFormed {
  const { rpc, peer, message } = request;
  const { envelope, payloadBytes, signature } = message;
  if (envelope === undefined) throw malformed("envelope");
  checkVersion(envelope.protocolVersion);
  if (!isDeviceSessionId(envelope.deviceSessionId)) throw malformed("device_session_id");
  if (!isMessageTypeOf(rpc, envelope)) throw malformed("message_type");
  if (envelope.timestampMs <= 0n) throw malformed("timestamp_ms");
  if (!isRequestId(envelope.requestId)) throw malformed("request_id");
  if (envelope.payloadHash.byteLength !== PAYLOAD_HASH_BYTES) throw malformed("payload_hash");
  if (envelope.idempotencyKey !== "" && !isIdempotencyKey(envelope.idempotencyKey)) throw malformed("idempotency_key");
  if (signature.byteLength !== SIGNATURE_BYTES) throw malformed("signature");
  if (payloadBytes.byteLength > payloadBytesMax) {
    throw refuse("REQUEST_TOO_LARGE", { metadata: { limit_bytes: String(payloadBytesMax) } });
  }
  return proven<WellFormed>({ rpc, peer, envelope, payloadBytes, signature });
}

function checkVersion(version: string): void {
  if (version === "") throw malformed("protocol_version");
  if (version !== PROTOCOL_VERSION) {
    throw refuse("UNSUPPORTED_PROTOCOL_VERSION", { metadata: { supported: PROTOCOL_VERSION } });
  }
}

function isMessageTypeOf(rpc: Rpc, { messageType }: RequestEnvelope): boolean {
  if (rpc === "SubscribeEvents") return messageType === SUBSCRIBE_MESSAGE_TYPE;
  if (rpc === "FetchEvents") return messageType === FETCH_MESSAGE_TYPE;
  return isMessageType(messageType) && !isReservedType(messageType);
}

function malformed(field: string): Refusal {
  return refuse("MALFORMED_ENVELOPE", { metadata: { field } });
}
