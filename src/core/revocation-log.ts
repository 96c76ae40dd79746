import { REVOCATION_LOG_ENTRIES } from "./limits.ts";
import type { Revocation } from "./ports.ts";

/** Whether something known as of a mark has been revoked since: yes, no, or so long ago that the log cannot say. */
export type SinceMark = "revoked" | "not_revoked" | "unknown";

/**
 * The order of revocations against everything that was under way when they landed.
 *
 * Whoever begins something slow on behalf of a session (a look-up, a subscription) takes a `mark` first and asks
 * `revokedSince(mark, …)` before it acts on the result. Bounded: the newest `capacity` revocations are kept, and a mark older than
 * those answers "unknown", which callers treat as a refusal, never as consent.
 */
export class RevocationLog {
  readonly #entries: (Revocation | undefined)[];
  #count = 0;

  constructor(capacity: number = REVOCATION_LOG_ENTRIES) {
    this.#entries = new Array(capacity).fill(undefined);
  }

  /** The moment that is now, in revocations. */
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

/** Whether a revocation ends this session: by its own id where one is given, else by its user. */
export function concerns(revocation: Revocation, deviceSessionId: string, userId: string): boolean {
  return revocation.deviceSessionId ? revocation.deviceSessionId === deviceSessionId : revocation.userId === userId;
}
