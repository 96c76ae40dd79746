import golden from "../../vectors/golden.json";
import additions from "../../vectors/golden-additions.json";

/** The golden vectors, with base64 decoded. An independent implementation computed them: see `about` in the file. */
export const GOLDEN = golden.cases.map((vector) => ({
  deviceSeed: bytes(vector.device_secret_key),
  devicePublicKey: bytes(vector.device_public_key),
  gatewaySeed: bytes(vector.gateway_secret_key),
  gatewayPublicKey: bytes(vector.gateway_public_key),
  keyId: vector.key_id,
  payloadBytes: bytes(vector.payload_bytes),
  payloadHash: bytes(vector.payload_hash),
  request: {
    fields: {
      protocolVersion: vector.request.protocol_version,
      deviceSessionId: vector.request.device_session_id,
      messageType: vector.request.message_type,
      timestampMs: BigInt(vector.request.timestamp_ms),
      requestId: vector.request.request_id,
      payloadHash: bytes(vector.payload_hash),
    },
    signingInput: bytes(vector.request.signing_input),
    signature: bytes(vector.request.signature),
  },
  response: {
    fields: {
      protocolVersion: vector.response.protocol_version,
      deviceSessionId: vector.request.device_session_id,
      messageType: vector.request.message_type,
      requestId: vector.response.request_id,
      timestampMs: BigInt(vector.response.timestamp_ms),
      resultCode: vector.response.result_code,
      payloadHash: bytes(vector.payload_hash),
      keyId: vector.key_id,
    },
    signingInput: bytes(vector.response.signing_input),
    signature: bytes(vector.response.signature),
  },
  event: {
    fields: {
      protocolVersion: vector.event.protocol_version,
      eventType: vector.event.event_type,
      eventId: vector.event.event_id,
      audience: vector.event.audience,
      timestampMs: BigInt(vector.event.timestamp_ms),
      payloadHash: bytes(vector.payload_hash),
      keyId: vector.key_id,
    },
    signingInput: bytes(vector.event.signing_input),
    signature: bytes(vector.event.signature),
  },
}));

/** The golden vectors of ES256 keys and idempotency keys, with base64 decoded. Each request has valid and invalid signatures. */
export const GOLDEN_ADDITIONS = additions.cases.map((vector) => ({
  algorithm: vector.client_key_algorithm === "ES256" ? ("ES256" as const) : ("EdDSA" as const),
  deviceSecretKey: bytes(vector.device_secret_key),
  devicePublicKey: bytes(vector.device_public_key),
  payloadBytes: bytes(vector.payload_bytes),
  fields: {
    protocolVersion: vector.request.protocol_version,
    deviceSessionId: vector.request.device_session_id,
    messageType: vector.request.message_type,
    timestampMs: BigInt(vector.request.timestamp_ms),
    requestId: vector.request.request_id,
    payloadHash: bytes(vector.payload_hash),
    idempotencyKey: vector.request.idempotency_key,
  },
  signingInput: bytes(vector.request.signing_input),
  signatures: vector.signatures.map(({ valid, why, signature }) => ({ valid, why, signature: bytes(signature) })),
}));

/** ES256 public keys that must be refused, with the reason. */
export const ES256_KEYS_REFUSED = additions.public_keys_refused.map(({ why, client_public_key }) => ({
  why,
  publicKey: bytes(client_public_key),
}));

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(base64);
}
