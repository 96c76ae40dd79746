import { REVOCATION_LOG_ENTRIES } from "./limits.ts";
import type { Revocation } from "./sessions.ts";

/** Whether a session was revoked after a mark. `unknown`: the mark is older than the log. */
export type SinceMark = "revoked" | "not_revoked" | "unknown";

/**
 * The latest revocations, in order. It orders revocations against look-ups and subscriptions in flight.
 *
 * A slow operation for a session takes a `mark` first, and calls `revokedSince(mark, …)` before it uses its result. The log keeps the
 * newest `capacity` revocations. For an older mark it returns "unknown", which callers must treat as a refusal.
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

/** Whether a revocation ends this session: by the session id if the revocation has one, else by the user. */
export function concerns(revocation: Revocation, deviceSessionId: string, userId: string): boolean {
  return revocation.deviceSessionId ? revocation.deviceSessionId === deviceSessionId : revocation.userId === userId;
}
