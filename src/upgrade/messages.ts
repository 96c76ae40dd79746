import type { HandedAnswer } from "../core/answers.ts";
import type { FeedCheckpoint } from "../core/feed-checkpoint.ts";
import type { Revocation } from "../core/sessions.ts";
import type { FromWorker, ToWorker } from "../workers/messages.ts";

/**
 * The version of the messages between a gateway process and its successor. The two processes may run different releases of the
 * gateway. Increase the version whenever a message changes. A new optional member needs no new version.
 */
export const UPGRADE_PROTOCOL = 1;

/** What a successor gets from the process that started it. */
export interface Inheritance {
  /** The ports that the predecessor has open. If port 0 is configured, the successor opens the predecessor's port instead. */
  readonly ports: Readonly<Record<"edge" | "grpc" | "admin", number>> & { readonly publish?: number | undefined };
  /** The position in the push feed; absent if the feed has no cursors. */
  readonly checkpoint?: FeedCheckpoint | undefined;
  /** A digest of the settings that select the stores. The settings of the successor must have the same digest. */
  readonly stores: string;
  /** A digest of each setting that can select the stores. The key is the setting's name. Absent in older releases. */
  readonly storeSettings?: Readonly<Record<string, string>> | undefined;
  /** The creation time of the stores, in Unix ms; absent for Redis. */
  readonly storesCreatedMs?: number | undefined;
  /** Whether the successor has inherited the shared memory of the stores. */
  readonly hasSharedMemory: boolean;
  /** Whether the kept answers are in the memory of the predecessor. */
  readonly hasAnswers: boolean;
}

/**
 * The messages to the successor. Three of them have a fixed place in the upgrade:
 *
 * - `inherit` answers the message `hello` of the successor.
 * - `take over` answers the message `ready` of the successor.
 * - `hand over` is sent when the predecessor executes no more commands.
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

/** A Uint8Array is sent as an object with this member. The value of the member is the bytes in base64. */
const BYTES = "$bytes";

/** Encodes a message as JSON, because the runtime's own encoding differs between its versions. */
export function encodeMessage(message: ToSuccessor | FromSuccessor): string {
  return JSON.stringify(message, function (this: Readonly<Record<string, unknown>>, key, value: unknown) {
    // If the member is a Buffer, `value` is already the result of its `toJSON`.
    const original = this[key];
    return original instanceof Uint8Array ? { [BYTES]: Buffer.from(original).toString("base64") } : value;
  });
}

/** Decodes a message of another process of this gateway. Throws if the text is not a message. */
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
