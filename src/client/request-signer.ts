import { isIdempotencyKey, PROTOCOL_VERSION } from "../core/grammar.ts";
import { requestSigningInput } from "../crypto/signing-input.ts";
import { type FillRandom, sha256, systemRandom } from "./bytes.ts";
import { GatewayClock, type GatewayClockOptions } from "./gateway-clock.ts";
import type { SessionCredentials } from "./login.ts";

/** The header fields that the device signs: proto/README.md, "Envelope rules". */
export interface SignedEnvelope {
  readonly protocolVersion: string;
  readonly deviceSessionId: string;
  readonly messageType: string;
  /** The time of signing, in Unix ms. */
  readonly timestampMs: bigint;
  readonly requestId: string;
  /** The SHA-256 hash of the payload, 32 bytes. */
  readonly payloadHash: Uint8Array;
  /** The idempotency key, which is the same in each attempt at one command. Empty or missing if the command has none. */
  readonly idempotencyKey?: string;
}

/** A signed request, with the fields of an `ExecuteCommandRequest`, `SubscribeEventsRequest` or `FetchEventsRequest`. */
export interface SignedRequest {
  readonly envelope: SignedEnvelope;
  readonly payloadBytes: Uint8Array;
  /** The device's signature, 64 bytes: Ed25519, or R ‖ S of ES256. */
  readonly signature: Uint8Array;
}

export interface SignOptions {
  /** The request id. Default: a new UUIDv7. */
  readonly requestId?: string | undefined;
  /** The timestamp of the request, in Unix ms. Default: the current time of the gateway's clock. */
  readonly timestampMs?: number | undefined;
  /** The idempotency key: 8 to 128 characters of `[A-Za-z0-9_-]`. Default: none. */
  readonly idempotencyKey?: string | undefined;
}

export interface RequestSignerOptions extends GatewayClockOptions {
  /** The random source of request ids. Default: `crypto.getRandomValues`. */
  readonly fillRandom?: FillRandom | undefined;
}

/** Size of a signature. Ed25519: RFC 8032 5.1.6. ES256: R and S, of 32 bytes each. */
const SIGNATURE_BYTES = 64;

/** Signs the requests of one device session. The default timestamp is an estimate of the gateway's current time. */
export class RequestSigner {
  readonly #credentials: SessionCredentials;
  readonly clock: GatewayClock;
  readonly fillRandom: FillRandom;

  constructor(credentials: SessionCredentials, options: RequestSignerOptions = {}) {
    this.#credentials = credentials;
    this.clock = new GatewayClock(options);
    this.fillRandom = options.fillRandom ?? systemRandom;
  }

  newRequestId(): string {
    return newRequestId(this.clock.now(), this.fillRandom);
  }

  /**
   * Signs a request. Rejects with `RangeError` if the idempotency key is malformed, or if the device key makes a signature of a
   * wrong length.
   */
  async sign(messageType: string, payloadBytes: Uint8Array, options: SignOptions = {}): Promise<SignedRequest> {
    if (options.idempotencyKey && !isIdempotencyKey(options.idempotencyKey))
      throw new RangeError("idempotencyKey: 8 to 128 characters of [A-Za-z0-9_-] expected");
    const envelope: SignedEnvelope = {
      protocolVersion: PROTOCOL_VERSION,
      deviceSessionId: this.#credentials.deviceSessionId,
      messageType,
      timestampMs: BigInt(options.timestampMs ?? this.clock.now()),
      requestId: options.requestId ?? this.newRequestId(),
      payloadHash: await sha256(payloadBytes),
      ...(options.idempotencyKey && { idempotencyKey: options.idempotencyKey }),
    };
    const signature = await this.#credentials.deviceKey.sign(requestSigningInput(envelope));
    if (signature.byteLength !== SIGNATURE_BYTES)
      throw new RangeError(`deviceKey.sign: ${SIGNATURE_BYTES} bytes expected (not DER), ${signature.byteLength} given`);
    return { envelope, payloadBytes, signature };
  }
}

/** Returns a UUIDv7 (RFC 9562 5.7): 48 bits of Unix milliseconds, then 74 random bits. */
export function newRequestId(nowMs: number, fillRandom: FillRandom): string {
  const bytes = new Uint8Array(16);
  fillRandom(bytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(nowMs / 0x10000));
  view.setUint16(4, nowMs % 0x10000);
  view.setUint8(6, 0x70 | (view.getUint8(6) & 0x0f));
  view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
