import type { BackendReply } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import { PROTOCOL_VERSION } from "../core/grammar.ts";
import type { Signer } from "../core/keys.ts";
import { sha256 } from "../crypto/ed25519.ts";
import { responseSigningInput } from "../crypto/signing-input.ts";
import type { AdmittedRequest } from "./proof.ts";

/** A signed response, with the fields of ExecuteCommandResponse. */
export interface SignedReply {
  readonly envelope: {
    readonly protocolVersion: string;
    readonly requestId: string;
    readonly timestampMs: bigint;
    readonly resultCode: string;
    readonly payloadHash: Uint8Array;
    readonly keyId: string;
  };
  readonly payloadBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Signs the backend's reply to a request. The signature also covers the session id, message type and request id of the request.
 */
export function signReply(request: AdmittedRequest, reply: BackendReply, signer: Signer, clock: Clock): SignedReply {
  const { deviceSessionId, messageType, requestId } = request.envelope;
  const envelope = {
    protocolVersion: PROTOCOL_VERSION,
    requestId,
    timestampMs: BigInt(clock.now()),
    resultCode: reply.resultCode,
    payloadHash: sha256(reply.payloadBytes),
    keyId: signer.keyId,
  };
  const signature = signer.sign(responseSigningInput({ ...envelope, deviceSessionId, messageType }));
  return { envelope, payloadBytes: reply.payloadBytes, signature };
}
