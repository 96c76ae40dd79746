import type { HandedAnswer } from "../core/answers.ts";
import type { FeedCheckpoint } from "../core/feed-checkpoint.ts";
import type { Revocation } from "../core/sessions.ts";
import type { FromWorker, ToWorker } from "../workers/messages.ts";

/**
 * The version of the messages between a gateway process and its successor. They may run different releases. Change the
 * version with every change of a message.
 */
export const UPGRADE_PROTOCOL = 1;

/** What a successor gets from the process that started it. */
export interface Inheritance {
  /** The ports that are open. They replace a configured port 0. */
  readonly ports: Readonly<Record<"edge" | "grpc" | "admin", number>> & { readonly publish?: number | undefined };
  /** The position in the push feed; absent if the feed has no cursors. */
  readonly checkpoint?: FeedCheckpoint | undefined;
  /** Identifies the stores. Both processes must use the same ones. */
  readonly stores: string;
  /** The creation time of the stores, in Unix ms; absent for Redis. */
  readonly storesCreatedMs?: number | undefined;
  /** Whether the successor has inherited the shared memory of the stores. */
  readonly hasSharedMemory: boolean;
  /** Whether the kept answers are in the memory of the predecessor. */
  readonly hasAnswers: boolean;
}

/**
 * The messages to the successor, in order: `inherit` after its `hello`; `take over` after its `ready`; `hand over` when the
 * process has answered all of its calls.
 */
export type ToSuccessor =
  | { readonly type: "inherit"; readonly protocol: number; readonly inheritance: Inheritance }
  | { readonly type: "take over" }
  | { readonly type: "answers"; readonly message: ToWorker }
  | { readonly type: "hand over" }
  | { readonly type: "kept answers"; readonly answers: readonly HandedAnswer[] }
  | { readonly type: "handed over" }
  | { readonly type: "revoke"; readonly revocation: Revocation };

export type FromSuccessor =
  | { readonly type: "hello"; readonly protocol: number; readonly version: string }
  | { readonly type: "waiting"; readonly reasons: readonly string[] }
  | { readonly type: "failed"; readonly problem: string }
  | { readonly type: "ready" }
  | { readonly type: "answers"; readonly message: FromWorker }
  /** The successor makes no more claims in its predecessor. */
  | { readonly type: "settled" }
  /** Confirms `kept answers` or `handed over`. */
  | { readonly type: "received" }
  | { readonly type: "revoke"; readonly revocation: Revocation };

/** An object with this member stands for bytes. The member contains them as base64. */
const BYTES = "$bytes";

/** Returns the message as JSON. Other encodings differ between versions of the runtime. */
export function encodeMessage(message: ToSuccessor | FromSuccessor): string {
  return JSON.stringify(message, function (this: Readonly<Record<string, unknown>>, key, value: unknown) {
    // `value` of a Buffer is already converted by its `toJSON`.
    const original = this[key];
    return original instanceof Uint8Array ? { [BYTES]: Buffer.from(original).toString("base64") } : value;
  });
}

/** Decodes a message of another process of this gateway. Throws if it is not a message. */
export function decodeMessage<M extends ToSuccessor | FromSuccessor>(text: unknown): M {
  if (typeof text !== "string") throw new Error("the message is not a text");
  const message: unknown = JSON.parse(text, (_key, value: unknown) => bytesOf(value) ?? value);
  if (typeof message !== "object" || message === null || !("type" in message)) throw new Error("the message has no type");
  // Both processes have checked that they use the same version of the messages.
  return message as M;
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (typeof value !== "object" || value === null || !(BYTES in value)) return undefined;
  return new Uint8Array(Buffer.from(String(value[BYTES]), "base64"));
}
