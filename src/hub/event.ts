import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { PROTOCOL_VERSION } from "../core/grammar.ts";
import type { Signer } from "../core/keys.ts";
import { sha256 } from "../crypto/ed25519.ts";
import { eventSigningInput } from "../crypto/signing-input.ts";
import { EventEnvelopeSchema, GatewayEventSchema } from "../gen/sallyport/v1/gateway_pb.ts";
import { encodeBase64, encodeFrame, FRAME_HEADER_BYTES } from "../rpc/frame.ts";
import type { FrameForm } from "./sink.ts";

const utf8 = new TextEncoder();

/** Estimated memory of an event without its payload: envelope, hash, signature, and the objects that hold them. */
const OVERHEAD_BYTES = 512;

/**
 * The audience of an event: one session, one user or all. A client rejects an event whose audience is not its own session, its
 * own user or `all`.
 */
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
 * An event for any number of streams. All outboxes and replay buffers share its encoded bytes.
 *
 * - The event is signed on first use.
 * - It is encoded once per codec, and once in base64.
 * - Exception: after `compact`, JSON and base64 are created again for each use.
 */
export class SignedEvent {
  readonly eventId: string;
  /** The estimated memory that the event takes, in bytes. */
  readonly heldBytes: number;
  readonly #signer: Signer;
  /** The contents of the event until it is signed; `undefined` afterwards. */
  #draft: EventDraft | undefined;
  #proto: Uint8Array | undefined;
  #json: Uint8Array | undefined;
  #base64: Uint8Array | undefined;
  #isCompacted = false;

  constructor(draft: EventDraft, signer: Signer) {
    this.eventId = draft.eventId;
    this.heldBytes = draft.payloadBytes.byteLength + OVERHEAD_BYTES;
    this.#draft = draft;
    this.#signer = signer;
  }

  /**
   * Returns the event as one length-prefixed frame. Base64 always contains the Protobuf encoding.
   * All callers share the returned array: do not modify it.
   */
  frame({ codec, isBase64 }: FrameForm): Uint8Array {
    if (isBase64) return this.#text();
    if (codec === "proto") return this.#binary();
    const json = this.#json ?? encodeFrame(0, jsonOf(this.#binary()));
    // After `compact`, only the binary encoding is kept, to save memory in the replay buffers.
    if (!this.#isCompacted) this.#json = json;
    return json;
  }

  #text(): Uint8Array {
    const base64 = this.#base64 ?? encodeBase64(this.#binary());
    if (!this.#isCompacted) this.#base64 = base64;
    return base64;
  }

  /**
   * Reduces the memory of the event, before a replay buffer stores it:
   * - Drops the JSON and the base64 encoding.
   * - Copies the payload of an unsigned event. The payload may be a view that keeps a larger buffer in memory.
   */
  compact(): this {
    this.#json = undefined;
    this.#base64 = undefined;
    this.#isCompacted = true;
    const draft = this.#draft;
    if (draft !== undefined) this.#draft = { ...draft, payloadBytes: draft.payloadBytes.slice() };
    return this;
  }

  #binary(): Uint8Array {
    if (this.#draft !== undefined) {
      this.#proto = encodeFrame(0, sign(this.#draft, this.#signer));
      this.#draft = undefined;
    }
    if (this.#proto === undefined) throw new Error("the event is neither a draft nor signed");
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

/**
 * Converts a binary frame, which contains one event, to ProtoJSON. Writes the fields directly, because `toJsonString` is slow for
 * responses with many events. Omits fields with their default value, as ProtoJSON does.
 */
function jsonOf(frame: Uint8Array): Uint8Array {
  const { envelope, payloadBytes, signature } = fromBinary(GatewayEventSchema, frame.subarray(FRAME_HEADER_BYTES));
  const event = {
    envelope: envelope && {
      protocolVersion: envelope.protocolVersion || undefined,
      eventType: envelope.eventType || undefined,
      eventId: envelope.eventId || undefined,
      audience: envelope.audience || undefined,
      timestampMs: envelope.timestampMs === 0n ? undefined : String(envelope.timestampMs),
      payloadHash: base64Of(envelope.payloadHash),
      keyId: envelope.keyId || undefined,
    },
    payloadBytes: base64Of(payloadBytes),
    signature: base64Of(signature),
  };
  return utf8.encode(JSON.stringify(event));
}

function base64Of(bytes: Uint8Array): string | undefined {
  return bytes.byteLength === 0 ? undefined : bytes.toBase64();
}
