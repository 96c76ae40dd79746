import type { BackendReply } from "./backend.ts";

/** A request with an idempotency key. The session and the idempotency key together identify one command. */
export interface KeyedRequest {
  readonly deviceSessionId: string;
  readonly idempotencyKey: string;
  /**
   * Identifies what the request asks for: its message type and payload. Two attempts at one command have the same fingerprint.
   */
  readonly fingerprint: string;
  /** The time of the request in Unix ms: when it was signed or when it arrived, whichever is earlier. */
  readonly asOfMs: number;
}

/** A kept answer that a process hands over to its successor. */
export interface HandedAnswer {
  /** Identifies the session and the idempotency key. */
  readonly name: string;
  readonly deviceSessionId: string;
  readonly fingerprint: string;
  readonly reply: BackendReply;
  readonly age: AnswerAge;
  /** By how much the wall clock was set ahead since the answer was stored, in ms. */
  readonly clockSetAheadMs: number;
}

/** How long an answer is kept. */
export interface AnswerAge {
  /**
   * The route's `keep_answer_ms`, in ms. Answers with the same `keptForMs` expire about in the order of storing.
   */
  readonly keptForMs: number;
  /**
   * A Unix time in ms. A request gets the answer if its `asOfMs` is at most this time. For other requests, the command is
   * unknown.
   */
  readonly keptUntilMs: number;
  /**
   * The Unix time in ms at which the answer is deleted. Every request that gets the answer (see `keptUntilMs`) arrives before this
   * time.
   */
  readonly storedUntilMs: number;
}

/** The right to execute one command. The holder must end it once, with `keep` or `release`. */
export interface AnswerClaim {
  /**
   * Stores the answer and ends the claim. Waiting requests get the answer. Never throws.
   *
   * Returns false if the answer is not stored, for one of these reasons:
   * - The lease of the claim has ended, and another request has claimed the command or stored an answer.
   * - The answer does not fit into the store.
   * - The store is unreachable.
   */
  keep(reply: BackendReply, age: AnswerAge): boolean | Promise<boolean>;
  /** Ends the claim without an answer. A waiting request, or else the next request, gets a new claim. Never throws. */
  release(): void | Promise<void>;
}

/**
 * What the store knows of a command:
 *
 * - `first`: the command is unknown. The request now holds the claim and must execute it.
 * - `kept`: the command has been executed. `reply` is its answer.
 * - `reused`: the key belongs to a command with another fingerprint. That command is in flight, or its answer is kept.
 * - `in_flight`: another request executes the command. Its answer did not arrive during the wait.
 *
 * `waited` is true if the request waited for another request.
 */
export type ClaimOutcome =
  | { readonly kind: "first"; readonly claim: AnswerClaim; readonly waited: boolean }
  | { readonly kind: "kept"; readonly reply: BackendReply; readonly waited: boolean }
  | { readonly kind: "reused" }
  | { readonly kind: "in_flight" };

/**
 * Stores the answers of commands by session and idempotency key. So a command is executed once, although its client may send it
 * again.
 *
 * - `claim` is atomic: of several concurrent calls for one command, exactly one gets a claim. The calls may come from several
 *   hosts.
 * - The other calls wait until the claim ends or `signal` aborts. They wait at most `leaseMs` + CLAIM_WAIT_MARGIN_MS.
 * - A claim ends by itself after `leaseMs`, so a killed host does not block the command forever. A holder whose claim has ended
 *   cannot replace the claim or the answer of another request.
 * - Claims in flight are never evicted. There are at most as many claims as commands in flight.
 * - Answers are bounded by number, bytes and age. At a bound, the oldest answers are evicted.
 * - The answers of one session use at most 1/ANSWER_SHARES of each bound. Beyond this share, a new answer evicts the oldest
 *   answers of the same session.
 * - An answer is returned only for the session and key for which it was stored.
 * - If the store is unreachable, `claim` throws `REPLAY_STORE_UNAVAILABLE`.
 */
export interface AnswerStore {
  claim(request: KeyedRequest, leaseMs: number, signal: AbortSignal): ClaimOutcome | Promise<ClaimOutcome>;
}

/**
 * How a request with an idempotency key ended, on a route that keeps answers. `reused` is possible on every route.
 *
 * - `kept`: the backend answered, and the answer was stored.
 * - `not_kept`: the backend answered, but the answer could not be stored.
 * - `released`: the backend call failed or its answer was transient, and the claim was released.
 * - `replayed`: the request got the answer of an earlier request without a wait.
 * - `waited`: the request got the answer of an earlier request after a wait.
 * - `reused`: the key belongs to another command.
 */
export type AnswerOutcome = "kept" | "not_kept" | "released" | "replayed" | "waited" | "reused";

/** Called by an answer store with the number of answers that it evicted before they expired. */
export type OnEvicted = (answers: number) => void;

export interface AnswerBounds {
  readonly entriesMax: number;
  /** Maximum total size of the answers, in bytes. The size of an answer is its payload plus ANSWER_OVERHEAD_BYTES. */
  readonly bytesMax: number;
}
