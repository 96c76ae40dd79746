import type { VerifyingKey } from "./keys.ts";

/** A device session, as the backend describes it. */
export interface Session {
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly status: "active" | "revoked";
  readonly key: VerifyingKey;
}

export interface FoundSession {
  readonly session: Session;
  /** The position in the revocation log up to which `session` is current; see `RevocationLog.revokedSince`. */
  readonly mark: number;
}

/**
 * Finds device sessions.
 *
 * `find` returns the session (active or revoked), or `undefined` if the backend has no such session. It throws
 * `SESSION_LOOKUP_UNAVAILABLE` if it cannot determine this.
 *
 * After `Revocations.revoke` has returned, `find` never returns a state from before the revocation. This also holds for a
 * look-up that started before the revocation.
 */
export interface SessionDirectory {
  find(deviceSessionId: string): FoundSession | undefined | Promise<FoundSession | undefined>;
}

/**
 * The backend's session look-up. Resolves to `undefined` if the session does not exist. Rejects if the backend cannot answer.
 */
export interface SessionSource {
  lookUp(deviceSessionId: string): Promise<Session | undefined>;
}

/** The sessions to end: one session if `deviceSessionId` is set, and otherwise every session of the user. */
export interface Revocation {
  readonly userId?: string | undefined;
  readonly deviceSessionId?: string | undefined;
}
