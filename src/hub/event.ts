import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { encodeFrame, FRAME_HEADER_BYTES } from "../core/frame.ts";
import { PROTOCOL_VERSION } from "../core/grammar.ts";
import type { Signer } from "../core/ports.ts";
import { sha256 } from "../crypto/ed25519.ts";
import { eventSigningInput } from "../crypto/signing-input.ts";
import { EventEnvelopeSchema, GatewayEventSchema } from "../gen/sallyport/v1/gateway_pb.ts";
import type { EventCodec } from "./sink.ts";

const utf8 = new TextEncoder();

/** What an event takes besides its payload: envelope, hash, signature, and the objects around them. */
const OVERHEAD_BYTES = 512;

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

/**
 * An event, signed once and encoded once however many streams deliver it, and neither before somebody wants it. The same bytes wait in
 * every outbox and in the history.
 */
export class SignedEvent {
  readonly eventId: string;
  /** What it takes in memory, near enough. */
  readonly heldBytes: number;
  readonly #signer: Signer;
  /** Until it is signed. */
  #draft: EventDraft | undefined;
  #proto: Uint8Array | undefined;
  #json: Uint8Array | undefined;
  #isKept = false;

  constructor(draft: EventDraft, signer: Signer) {
    this.eventId = draft.eventId;
    this.heldBytes = draft.payloadBytes.byteLength + OVERHEAD_BYTES;
    this.#draft = draft;
    this.#signer = signer;
  }

  /** The framed event, as every stream of the codec sends it. */
  frame(codec: EventCodec): Uint8Array {
    if (codec === "proto") return this.#binary();
    const json = this.#json ?? encodeFrame(0, jsonOf(this.#binary()));
    // For the streams that are to have it now. What is remembered is remembered once.
    if (!this.#isKept) this.#json = json;
    return json;
  }

  /** Prepares for a time in memory: lets go of what can be made anew, and of the buffer that the payload may be a part of. */
  keep(): this {
    this.#json = undefined;
    this.#isKept = true;
    const draft = this.#draft;
    if (draft !== undefined) this.#draft = { ...draft, payloadBytes: draft.payloadBytes.slice() };
    return this;
  }

  #binary(): Uint8Array {
    if (this.#draft !== undefined) {
      this.#proto = encodeFrame(0, sign(this.#draft, this.#signer));
      this.#draft = undefined;
    }
    if (this.#proto === undefined) throw new Error("an event is either a draft or signed");
    return this.#proto;
  }
}

function sign({ eventType, eventId, audience, timestampMs, payloadBytes }: EventDraft, signer: Signer): Uint8Array {
  const envelope = create(EventEnvelopeSchema, {
    protocolVersion: PROTOCOL_VERSION,
    eventType,
    eventId,
    audience,
    timestampMs: BigInt(timestampMs),
    payloadHash: sha256(payloadBytes),
    keyId: signer.keyId,
  });
  const signature = signer.sign(eventSigningInput(envelope));
  return toBinary(GatewayEventSchema, create(GatewayEventSchema, { envelope, payloadBytes, signature }));
}

function jsonOf(frame: Uint8Array): Uint8Array {
  const event = fromBinary(GatewayEventSchema, frame.subarray(FRAME_HEADER_BYTES));
  return utf8.encode(toJsonString(GatewayEventSchema, event));
}
