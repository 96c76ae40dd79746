import { REVOCATION_LOG_ENTRIES } from "./limits.ts";
import type { Revocation } from "./sessions.ts";

/**
 * Whether a session was revoked after a mark (a position in the log). `unknown`: the log no longer holds all revocations after
 * the mark.
 */
export type SinceMark = "revoked" | "not_revoked" | "unknown";

/**
 * The latest revocations, in order. The log shows whether a session was revoked while a look-up or a subscription was in
 * flight:
 *
 * 1. Before the look-up or subscription starts, the caller takes a `mark`, the current position in the log.
 * 2. When the look-up or subscription is complete, the caller calls `revokedSince(mark, …)`.
 *
 * The log keeps the newest `capacity` revocations. If it no longer holds all revocations after the mark, `revokedSince` returns
 * "unknown". The caller must then discard the result of its look-up or subscription.
 */
export class RevocationLog {
  readonly #entries: (Revocation | undefined)[];
  readonly #startMark: number;
  #count: number;

  /**
   * `startMark`: the position at which this log starts. The log of a worker starts at the current position of its supervisor's
   * log.
   */
  constructor(capacity: number = REVOCATION_LOG_ENTRIES, startMark = 0) {
    this.#entries = new Array(capacity).fill(undefined);
    this.#startMark = startMark;
    this.#count = startMark;
  }

  /** Returns the current position in the log, which increases with each appended revocation. */
  mark(): number {
    return this.#count;
  }

  append(revocation: Revocation): void {
    this.#entries[this.#count % this.#entries.length] = revocation;
    this.#count++;
  }

  revokedSince(mark: number, deviceSessionId: string, userId: string): SinceMark {
    if (mark < this.#startMark || this.#count - mark > this.#entries.length) return "unknown";
    for (let at = mark; at < this.#count; at++) {
      const revocation = this.#entries[at % this.#entries.length];
      if (revocation !== undefined && concerns(revocation, deviceSessionId, userId)) return "revoked";
    }
    return "not_revoked";
  }
}

/**
 * Whether a revocation ends this session. If the revocation has a session id, compares the session ids. If not, compares the
 * user ids.
 */
export function concerns(revocation: Revocation, deviceSessionId: string, userId: string): boolean {
  return revocation.deviceSessionId ? revocation.deviceSessionId === deviceSessionId : revocation.userId === userId;
}
