import { PROTOCOL_VERSION } from "../core/grammar.ts";
import { requestSigningInput } from "../crypto/signing-input.ts";
import { type FillRandom, sha256, systemRandom } from "./bytes.ts";
import { GatewayClock, type GatewayClockOptions } from "./gateway-clock.ts";
import type { SessionCredentials } from "./login.ts";
import { newRequestId } from "./request-id.ts";

/** What a request says of itself, and its device signs. */
export interface SignedEnvelope {
  readonly protocolVersion: string;
  readonly deviceSessionId: string;
  readonly messageType: string;
  readonly timestampMs: bigint;
  readonly requestId: string;
  readonly payloadHash: Uint8Array;
}

/** A request ready to be sent: the initializer of an ExecuteCommandRequest or a SubscribeEventsRequest. */
export interface SignedRequest {
  readonly envelope: SignedEnvelope;
  readonly payloadBytes: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SignOptions {
  readonly requestId?: string | undefined;
  /** Unix milliseconds. */
  readonly timestampMs?: number | undefined;
}

export interface RequestSignerOptions extends GatewayClockOptions {
  readonly fillRandom?: FillRandom | undefined;
}

/** Signs requests of one device session, by the gateway's clock once a signed answer has told it. */
export class RequestSigner {
  readonly #credentials: SessionCredentials;
  readonly #fillRandom: FillRandom;
  readonly clock: GatewayClock;

  constructor(credentials: SessionCredentials, options: RequestSignerOptions = {}) {
    this.#credentials = credentials;
    this.clock = new GatewayClock(options);
    this.#fillRandom = options.fillRandom ?? systemRandom;
  }

  newRequestId(): string {
    return newRequestId(this.clock.now(), this.#fillRandom);
  }

  async sign(messageType: string, payloadBytes: Uint8Array, options: SignOptions = {}): Promise<SignedRequest> {
    const envelope: SignedEnvelope = {
      protocolVersion: PROTOCOL_VERSION,
      deviceSessionId: this.#credentials.deviceSessionId,
      messageType,
      timestampMs: BigInt(options.timestampMs ?? this.clock.now()),
      requestId: options.requestId ?? this.newRequestId(),
      payloadHash: await sha256(payloadBytes),
    };
    const signature = await this.#credentials.deviceKey.sign(requestSigningInput(envelope));
    return { envelope, payloadBytes, signature };
  }
}
