import type { JsonValue } from "@bufbuild/protobuf";
import { PROTOCOL_VERSION } from "../core/grammar.ts";
import { eventSigningInput, responseSigningInput } from "../crypto/signing-input.ts";
import type { ExecuteCommandResponse, GatewayEvent, ResponseEnvelope } from "../gen/sallyport/v1/gateway_pb.ts";
import { equalBytes, sha256 } from "./bytes.ts";
import { UntrustedResponseError } from "./errors.ts";
import type { GatewayKeySource } from "./gateway-keys.ts";
import { payloadFromBytes } from "./payload.ts";
import type { SignedRequest } from "./request-signer.ts";

/** The verified signature and the signed data, to show to people and to log. */
export interface Evidence {
  /** The id of the gateway key that made the signature (RFC 7638 thumbprint). */
  readonly keyId: string;
  /** When the gateway signed the response or event, in Unix ms. */
  readonly timestampMs: number;
  /** The SHA-256 hash of the payload, 32 bytes. */
  readonly payloadHash: Uint8Array;
  /** The bytes that were signed: proto/README.md, "What is signed". */
  readonly signingInput: Uint8Array;
  /** The gateway's Ed25519 signature of `signingInput`, 64 bytes. */
  readonly signature: Uint8Array;
}

/** The verified answer to a command. */
export interface CommandResult {
  /** `ok`, or the code of a business error of the backend, such as `name_too_long`. */
  readonly resultCode: string;
  /** The payload as JSON; `undefined` if it is empty or not JSON. */
  readonly payload: JsonValue | undefined;
  readonly payloadBytes: Uint8Array;
  /**
   * True if the gateway gave the kept answer of an earlier attempt with the same `idempotencyKey`. This value comes from a
   * response header and is not signed.
   */
  readonly replayed: boolean;
  /** The id of the answered request. */
  readonly requestId: string;
  readonly evidence: Evidence;
}

/** A verified event, sent by the backend or by the gateway itself. */
export interface VerifiedEvent {
  /** Dot-separated words, such as `chat.message`. Types that start with `gateway.` are the gateway's own. */
  readonly eventType: string;
  /** The id of the event. Pass it as `resumeAfter` to continue after this event. */
  readonly eventId: string;
  /** Whom the event is for: `session:<id>`, `user:<id>` or `all`. */
  readonly audience: string;
  /** When the gateway signed the event, in Unix ms. */
  readonly timestampMs: number;
  /** The payload as JSON; `undefined` if it is empty or not JSON. */
  readonly payload: JsonValue | undefined;
  readonly payloadBytes: Uint8Array;
  readonly evidence: Evidence;
}

/**
 * Verifies a response: proto/client.md, "What a client checks". Rejects with `UntrustedResponseError`.
 *
 * The signature covers the session id, the request id and the message type of the request. The response to another request
 * therefore fails verification.
 */
export async function verifyResponse(
  response: ExecuteCommandResponse,
  request: SignedRequest,
  keys: GatewayKeySource,
): Promise<Omit<CommandResult, "replayed">> {
  const { envelope, payloadBytes, signature } = response;
  const { deviceSessionId, messageType, requestId } = request.envelope;
  if (envelope === undefined) throw new UntrustedResponseError("envelope_missing");
  checkVersion(envelope.protocolVersion);
  if (envelope.requestId !== requestId) throw new UntrustedResponseError("request_id");
  await checkPayloadHash(payloadBytes, envelope.payloadHash);
  const signed = responseSigningInput({ ...envelope, requestId, deviceSessionId, messageType });
  await checkSignature(keys, envelope.keyId, signed, signature);
  const evidence = evidenceOf(envelope, signed, signature);
  return { resultCode: envelope.resultCode, payload: payloadFromBytes(payloadBytes), payloadBytes, requestId, evidence };
}

/**
 * Verifies the signature and the payload of an event. Rejects with `UntrustedResponseError`. The caller must check the
 * audience.
 */
export async function verifyEvent(event: GatewayEvent, keys: GatewayKeySource): Promise<VerifiedEvent> {
  const { envelope, payloadBytes, signature } = event;
  if (envelope === undefined) throw new UntrustedResponseError("envelope_missing");
  checkVersion(envelope.protocolVersion);
  await checkPayloadHash(payloadBytes, envelope.payloadHash);
  const signed = eventSigningInput(envelope);
  await checkSignature(keys, envelope.keyId, signed, signature);
  const { eventType, eventId, audience } = envelope;
  const evidence = evidenceOf(envelope, signed, signature);
  const { timestampMs } = evidence;
  return { eventType, eventId, audience, timestampMs, payload: payloadFromBytes(payloadBytes), payloadBytes, evidence };
}

function evidenceOf(
  { keyId, timestampMs, payloadHash }: Pick<ResponseEnvelope, "keyId" | "timestampMs" | "payloadHash">,
  signingInput: Uint8Array,
  signature: Uint8Array,
): Evidence {
  return { keyId, timestampMs: Number(timestampMs), payloadHash, signingInput, signature };
}

function checkVersion(protocolVersion: string): void {
  if (protocolVersion !== PROTOCOL_VERSION) throw new UntrustedResponseError("protocol_version");
}

async function checkPayloadHash(payloadBytes: Uint8Array, payloadHash: Uint8Array): Promise<void> {
  if (!equalBytes(await sha256(payloadBytes), payloadHash)) throw new UntrustedResponseError("payload_hash");
}

async function checkSignature(keys: GatewayKeySource, keyId: string, signed: Uint8Array, signature: Uint8Array): Promise<void> {
  const verdict = await keys.verify(keyId, signed, signature);
  if (verdict === "key_unknown") throw new UntrustedResponseError("key_unknown");
  if (verdict !== "valid") throw new UntrustedResponseError("signature");
}
