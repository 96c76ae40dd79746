import { REVOCATION_LOG_ENTRIES } from "./limits.ts";
import type { Revocation } from "./sessions.ts";

/** Whether a session was revoked after a mark. `unknown`: the log no longer holds all revocations since the mark. */
export type SinceMark = "revoked" | "not_revoked" | "unknown";

/**
 * The latest revocations, in order. The log shows whether a session was revoked while a look-up or a subscription was in flight.
 *
 * Such an operation takes a `mark` before it starts, and calls `revokedSince(mark, …)` before it uses its result. The log keeps the newest
 * `capacity` revocations. For an older mark, `revokedSince` returns "unknown", which the caller must treat as a refusal.
 */
export class RevocationLog {
  readonly #entries: (Revocation | undefined)[];
  #count = 0;

  constructor(capacity: number = REVOCATION_LOG_ENTRIES) {
    this.#entries = new Array(capacity).fill(undefined);
  }

  /** The current position in the log. */
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

/** Whether a revocation ends this session. Compares the session id if the revocation has one, otherwise the user id. */
export function concerns(revocation: Revocation, deviceSessionId: string, userId: string): boolean {
  return revocation.deviceSessionId ? revocation.deviceSessionId === deviceSessionId : revocation.userId === userId;
}
