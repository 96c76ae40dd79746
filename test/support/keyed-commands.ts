import { createClient, type Transport } from "@connectrpc/connect";
import { reasonOf } from "../../src/client/errors.ts";
import { PROTOCOL_VERSION } from "../../src/core/grammar.ts";
import { sha256 } from "../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../src/crypto/signing-input.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import type { Device } from "./world.ts";

/** What a test changes in a command. */
export interface KeyedCommand {
  readonly messageType: string;
  readonly payload?: string;
  readonly idempotencyKey?: string;
  readonly timestampMs?: number;
  readonly requestId?: string;
}

/** A command with an idempotency key, newly signed at each call. */
export async function signKeyed(device: Device, command: KeyedCommand) {
  const { messageType, payload = "", idempotencyKey = "", timestampMs = Date.now(), requestId = Bun.randomUUIDv7() } = command;
  const payloadBytes = new TextEncoder().encode(payload);
  const { deviceSessionId } = device;
  const ids = { protocolVersion: PROTOCOL_VERSION, deviceSessionId, messageType, requestId, idempotencyKey };
  const envelope = { ...ids, timestampMs: BigInt(timestampMs), payloadHash: sha256(payloadBytes) };
  return { envelope, payloadBytes, signature: await device.deviceKey.sign(requestSigningInput(envelope)) };
}

export type SignedCommand = Awaited<ReturnType<typeof signKeyed>>;

/** The answer to a command, as its client sees it. */
export interface SeenAnswer {
  /** The result code and the payload, or the reason of the refusal. */
  readonly text: string;
  /** The header `Idempotent-Replayed`. */
  readonly replayed: string | null;
}

export async function send(transport: Transport, request: SignedCommand, signal?: AbortSignal): Promise<SeenAnswer> {
  let replayed: string | null = null;
  const onHeader = (headers: Headers) => {
    replayed = headers.get("idempotent-replayed");
  };
  const text = await createClient(Gateway, transport)
    .executeCommand(request, { onHeader, ...(signal && { signal }) })
    .then(
      ({ envelope, payloadBytes }) => `${envelope?.resultCode} ${Buffer.from(payloadBytes)}`,
      (error) => reasonOf(error) ?? String(error),
    );
  return { text, replayed };
}
