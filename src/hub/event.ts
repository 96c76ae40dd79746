import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { encodeFrame } from "../core/frame.ts";
import type { Signer } from "../core/ports.ts";
import { sha256 } from "../crypto/ed25519.ts";
import { eventSigningInput } from "../crypto/signing-input.ts";
import { EventEnvelopeSchema, type GatewayEvent, GatewayEventSchema } from "../gen/sallyport/v1/gateway_pb.ts";
import type { EventCodec } from "./sink.ts";

const PROTOCOL_VERSION = "v1";
const utf8 = new TextEncoder();

/** For whom an event is. A client accepts it only where this names its own session, its own user, or all. */
export type Audience = `session:${string}` | `user:${string}` | "all";

/** An event before it is signed. */
export interface EventDraft {
  readonly eventType: string;
  readonly eventId: string;
  readonly audience: Audience;
  readonly timestampMs: number;
  readonly payloadBytes: Uint8Array;
}

/** An event, signed once and encoded at most once in each codec, however many streams deliver it. */
export class SignedEvent {
  readonly eventId: string;
  readonly #message: GatewayEvent;
  readonly #frames: Partial<Record<EventCodec, Uint8Array>> = {};

  constructor(draft: EventDraft, signer: Signer) {
    this.eventId = draft.eventId;
    const envelope = create(EventEnvelopeSchema, {
      protocolVersion: PROTOCOL_VERSION,
      eventType: draft.eventType,
      eventId: draft.eventId,
      audience: draft.audience,
      timestampMs: BigInt(draft.timestampMs),
      payloadHash: sha256(draft.payloadBytes),
      keyId: signer.keyId,
    });
    const signature = signer.sign(eventSigningInput(envelope));
    this.#message = create(GatewayEventSchema, { envelope, payloadBytes: draft.payloadBytes, signature });
  }

  /** The framed event, as every stream of the codec sends it. */
  frame(codec: EventCodec): Uint8Array {
    this.#frames[codec] ??= encodeFrame(0, this.#encode(codec));
    return this.#frames[codec];
  }

  #encode(codec: EventCodec): Uint8Array {
    if (codec === "proto") return toBinary(GatewayEventSchema, this.#message);
    return utf8.encode(toJsonString(GatewayEventSchema, this.#message));
  }
}
