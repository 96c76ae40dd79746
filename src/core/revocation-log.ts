import { REVOCATION_LOG_ENTRIES } from "./limits.ts";
import type { Revocation } from "./sessions.ts";

/**
 * The result of `RevocationLog.revokedSince`: whether a session was revoked after a mark (a position in the log). `unknown`: the log no
 * longer holds all revocations after the mark.
 */
export type SinceMark = "revoked" | "not_revoked" | "unknown";

/**
 * The latest revocations, in order. The log shows whether a session was revoked while a look-up or a subscription was in flight.
 *
 * A look-up or a subscription takes a `mark`, the current position in the log, before it starts. It calls `revokedSince(mark, …)` before it
 * uses its result. The log keeps the newest `capacity` revocations. For an older mark, `revokedSince` returns "unknown", and the caller
 * must not use its result.
 */
export class RevocationLog {
  readonly #entries: (Revocation | undefined)[];
  #count = 0;

  constructor(capacity: number = REVOCATION_LOG_ENTRIES) {
    this.#entries = new Array(capacity).fill(undefined);
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
    if (this.#count - mark > this.#entries.length) return "unknown";
    for (let at = mark; at < this.#count; at++) {
      const revocation = this.#entries[at % this.#entries.length];
      if (revocation !== undefined && concerns(revocation, deviceSessionId, userId)) return "revoked";
    }
    return "not_revoked";
  }
}

/** Whether a revocation ends this session. If the revocation has a session id, compares the session ids. If not, compares the user ids. */
export function concerns(revocation: Revocation, deviceSessionId: string, userId: string): boolean {
  return revocation.deviceSessionId ? revocation.deviceSessionId === deviceSessionId : revocation.userId === userId;
}
