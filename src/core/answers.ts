import type { BackendReply } from "./backend.ts";

/** A request with an idempotency key. Session and key together name one command. */
export interface KeyedRequest {
  readonly deviceSessionId: string;
  readonly idempotencyKey: string;
  /** Identifies what the request asks for: its message type and payload. Two attempts at one command have the same fingerprint. */
  readonly fingerprint: string;
  /** The time of the request in Unix ms: when it was signed or when it arrived, whichever is earlier. */
  readonly asOfMs: number;
}

/** How long an answer is kept. */
export interface AnswerAge {
  /** The duration that the route sets, in ms. Answers with the same duration expire in about the order in which they are kept. */
  readonly keptForMs: number;
  /** A Unix time in ms. Requests whose `asOfMs` is not later get the answer. For a later request, the command is unknown. */
  readonly keptUntilMs: number;
  /** A Unix time in ms, at which the answer is deleted. No request whose `asOfMs` is at most `keptUntilMs` can arrive later. */
  readonly storedUntilMs: number;
}

/** The right to execute one command. The holder must end it once, with `keep` or `release`. */
export interface AnswerClaim {
  /**
   * Stores the answer and ends the claim. Waiting requests get the answer. Returns false if the answer is not stored: the lease of the
   * claim has ended and another request holds a claim, the answer does not fit, or the store is unreachable. Never throws.
   */
  keep(reply: BackendReply, age: AnswerAge): boolean | Promise<boolean>;
  /** Ends the claim without an answer. The next request, or one that waits, gets a claim. Never throws. */
  release(): void | Promise<void>;
}

/**
 * What the store knows of a command:
 *
 * - `first`: the command is unknown. The request now holds the claim and must execute it.
 * - `kept`: the command has been executed. `reply` is its answer.
 * - `reused`: the key belongs to a command with another fingerprint, which is kept or in flight.
 * - `in_flight`: another request executes the command, and the wait for its answer has ended without one.
 *
 * `waited` is true if the request waited for another request.
 */
export type ClaimOutcome =
  | { readonly kind: "first"; readonly claim: AnswerClaim; readonly waited: boolean }
  | { readonly kind: "kept"; readonly reply: BackendReply; readonly waited: boolean }
  | { readonly kind: "reused" }
  | { readonly kind: "in_flight" };

/**
 * Stores the answers of commands by session and idempotency key, so that a command is executed once however often it is signed.
 *
 * - `claim` is atomic: of any number of concurrent calls for one command, exactly one gets a claim. This also holds for calls from several
 *   hosts. The others wait until the claim ends or `signal` aborts, at most for `leaseMs` and CLAIM_WAIT_MARGIN_MS.
 * - A claim ends by itself `leaseMs` after it was made, for example because its host was killed. Its holder can then no longer replace
 *   what another request has claimed or stored.
 * - Claims in flight are never evicted. Their number is bounded by the number of commands in flight.
 * - Answers are bounded by number, bytes and age. At a bound, the oldest answers are evicted. An answer of a session that holds its share
 *   of a bound (1/ANSWER_SHARES) evicts the oldest of the same session instead.
 * - An answer is only ever returned for the session and key for which it was stored.
 * - If the store is unreachable, `claim` throws `REPLAY_STORE_UNAVAILABLE`.
 */
export interface AnswerStore {
  claim(request: KeyedRequest, leaseMs: number, signal: AbortSignal): ClaimOutcome | Promise<ClaimOutcome>;
}

/**
 * What became of a request with an idempotency key on a route that keeps answers:
 *
 * - `kept`, `not_kept`: the backend answered; the answer was stored, or could not be stored.
 * - `released`: the call ended without a definite answer.
 * - `replayed`, `waited`: the request got the answer of an earlier one, without or after a wait.
 * - `reused`: the key belongs to another command.
 */
export type AnswerOutcome = "kept" | "not_kept" | "released" | "replayed" | "waited" | "reused";

/** Called by an answer store with the number of answers that it evicted before their time. */
export type OnEvicted = (answers: number) => void;

/** The bounds of an answer store. */
export interface AnswerBounds {
  readonly entriesMax: number;
  /** Maximum size of all answers, each with ANSWER_OVERHEAD_BYTES. */
  readonly bytesMax: number;
}
