import {
  type CommandResult,
  GatewayError,
  type KeyAlgorithm,
  type SignedRequest,
  type TrustCheck,
  UntrustedResponseError,
} from "../../../client/index.ts";
import type { SizeLimits } from "../setup.ts";
import { type CheckNumber, checkOf } from "./checks.ts";
import { messageOf } from "./message-of.ts";
import type { Exchange } from "./wire.ts";

/** A signed request, and what the page shows about its signature. */
export interface Signed {
  /** The request as it was sent. If it was tampered with, it differs from what was signed. */
  readonly request: SignedRequest;
  /** The bytes that the device key signed. */
  readonly signingInput: Uint8Array;
  /** The public key of the key pair that signed the request. */
  readonly publicKey: Uint8Array;
  readonly algorithm: KeyAlgorithm;
  /** The public key that the login of the session registered. An attack may sign with another key. */
  readonly sessionPublicKey: Uint8Array;
}

export type Outcome =
  | { readonly kind: "answered"; readonly result: CommandResult }
  | { readonly kind: "refused"; readonly check: CheckNumber; readonly refusal: RefusalShown }
  | { readonly kind: "distrusted"; readonly trustCheck: TrustCheck }
  | { readonly kind: "failed"; readonly text: string };

export interface RefusalShown {
  readonly reason: string | undefined;
  readonly code: string;
  readonly text: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
}

/** One attempt to send a request, and everything that the page can show about it. */
export interface Attempt {
  /** What was done: `Command`, or the name of an attack. */
  readonly title: string;
  /** What the attacker did, in one sentence. */
  readonly deed?: string | undefined;
  readonly messageType: string;
  readonly payloadText: string;
  readonly atMs: number;
  /** `undefined` if no signed request was sent, for example because an attack sent bytes that are not a request. */
  readonly signed: Signed | undefined;
  readonly exchange: Exchange | undefined;
  readonly outcome: Outcome;
  /** Why the attack failed, in plain words. `undefined` if there was no attack, or if the attack did not fail as expected. */
  readonly lesson?: string | undefined;
}

/** Converts an error of the client to an outcome. */
export function outcomeOf(error: unknown, limits: SizeLimits): Outcome {
  if (error instanceof UntrustedResponseError) return { kind: "distrusted", trustCheck: error.check };
  if (!(error instanceof GatewayError)) return { kind: "failed", text: messageOf(error) };
  const { reason, code, metadata, retryAfterMs, rawMessage: text } = error;
  const check = checkOf(reason, code, metadata, limits);
  if (check === undefined) return { kind: "failed", text: reason === undefined ? text : `${reason}: ${text}` };
  return { kind: "refused", check, refusal: { reason, code, text, metadata, retryAfterMs } };
}

export type StationState = "idle" | "passed" | "refused" | "unreached";

/** Returns the states of the checks 0 to 8, in this order. If a check refused, the later checks did not run. */
export function checkStates({ outcome }: Attempt): StationState[] {
  return Array.from({ length: 9 }, (_, number): StationState => {
    if (outcome.kind === "failed") return "idle";
    if (outcome.kind !== "refused" || number < outcome.check) return "passed";
    return number === outcome.check ? "refused" : "unreached";
  });
}

export function answerState({ outcome }: Attempt): StationState {
  if (outcome.kind === "answered") return "passed";
  if (outcome.kind === "distrusted") return "refused";
  return outcome.kind === "refused" ? "unreached" : "idle";
}
