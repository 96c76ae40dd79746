import type { Clock } from "../../core/clock.ts";
import { Refusal, refuse } from "../../core/refusal.ts";
import type { RevocationLog } from "../../core/revocation-log.ts";
import type { FoundSession, Revocation, Session, SessionDirectory, SessionSource } from "../../core/sessions.ts";
import { randomSeed } from "./fingerprint.ts";
import { SessionEntries, type SessionEntry } from "./session-entries.ts";
import { UnknownSessions } from "./unknown-sessions.ts";

export interface SessionCacheOptions {
  /** How long an active or revoked session is cached, in ms. 0: sessions are not cached. */
  readonly ttlMs: number;
  /** How long an id that the session source does not know is cached, in ms. 0: unknown ids are not cached. */
  readonly unknownTtlMs: number;
  /** Maximum number of cached sessions. The same maximum applies separately to cached unknown ids. */
  readonly entriesMax: number;
  /**
   * Maximum number of session look-ups in flight. Each session id has at most one look-up in flight. At the maximum, a new
   * look-up is refused.
   */
  readonly lookUpsMax?: number | undefined;
  /**
   * Returns `false` while the push feed may miss revocations. Every `find` then queries the session source. Before `trusted`
   * returns `true` again, the missed revocations must be applied, or `clear` must be called. The default always returns `true`.
   */
  readonly trusted?: (() => boolean) | undefined;
  /** The secret seed for the fingerprints (hashes) of unknown session ids, 16 bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

type RevocationMarks = Pick<RevocationLog, "mark" | "revokedSince">;

/** Default of `lookUpsMax`. Each look-up in flight holds a connection to the session source and a few kilobytes of memory. */
const LOOK_UPS_MAX = 16_384;

/**
 * Maximum number of attempts of one look-up. An attempt is repeated if, during the attempt, `clear` was called or the revocation
 * log overflowed.
 */
const LOOK_UP_ATTEMPTS_MAX = 3;

/**
 * The session directory: a bounded cache in front of a session source.
 *
 * `find` never returns a revoked session as active, by two rules:
 * - `revoke` updates the cached sessions. So a cached session is always current.
 * - A look-up takes a mark (the current position in the revocation log) before it starts. When it ends, it searches the log
 *   from the mark on.
 *
 * So append each revocation to the log first, and call `revoke` synchronously afterwards.
 */
export class SessionCache implements SessionDirectory {
  readonly #source: SessionSource;
  readonly #log: RevocationMarks;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #unknownTtlMs: number;
  readonly #lookUpsMax: number;
  readonly #trusted: () => boolean;
  readonly #sessions: SessionEntries;
  readonly #unknown: UnknownSessions;
  readonly #lookUps = new Map<string, Promise<FoundSession | undefined>>();
  /** The number of `clear` calls so far. */
  #generation = 0;

  constructor(source: SessionSource, log: RevocationMarks, clock: Clock, options: SessionCacheOptions) {
    this.#source = source;
    this.#log = log;
    this.#clock = clock;
    this.#ttlMs = options.ttlMs;
    this.#unknownTtlMs = options.unknownTtlMs;
    this.#lookUpsMax = options.lookUpsMax ?? LOOK_UPS_MAX;
    this.#trusted = options.trusted ?? (() => true);
    this.#sessions = new SessionEntries(options.entriesMax);
    this.#unknown = new UnknownSessions(options.entriesMax, options.seed ?? randomSeed());
  }

  /** The number of cached sessions, including expired sessions that were not yet evicted. */
  get entries(): number {
    return this.#sessions.size;
  }

  /** Frees the memory of expired unknown ids. Returns the number of freed bytes. Call this method every second. */
  trim(): number {
    return this.#unknown.trim(this.#clock.monotonic());
  }

  find(deviceSessionId: string): FoundSession | undefined | Promise<FoundSession | undefined> {
    if (this.#trusted()) {
      const nowMs = this.#clock.monotonic();
      const entry = this.#sessions.get(deviceSessionId);
      if (entry !== undefined && nowMs < entry.expiresAtMs) return this.#current(entry);
      if (this.#unknown.has(deviceSessionId, nowMs)) return undefined;
    }
    return this.#lookUps.get(deviceSessionId) ?? this.#startLookUp(deviceSessionId);
  }

  /**
   * Marks as revoked every cached session that the revocation concerns. Append the revocation to the revocation log before this
   * call.
   */
  revoke(revocation: Revocation): void {
    if (revocation.deviceSessionId) {
      const entry = this.#sessions.get(revocation.deviceSessionId);
      if (entry !== undefined) this.#markRevoked(entry);
    } else if (revocation.userId) {
      for (const entry of this.#sessions.ofUser(revocation.userId)) this.#markRevoked(entry);
    }
  }

  /** Evicts every cached session and restarts all look-ups in flight. Call this method if revocations may have been lost. */
  clear(): void {
    this.#generation++;
    this.#sessions.clear();
  }

  /**
   * Returns a cached session with the current mark (position in the revocation log). Does not modify an object that an earlier
   * call returned, because the earlier caller still needs the earlier mark.
   */
  #current(entry: SessionEntry): FoundSession {
    const mark = this.#log.mark();
    if (entry.found.mark !== mark) entry.found = { session: entry.found.session, mark };
    return entry.found;
  }

  /**
   * Marks a cached session as revoked. The session stays in the cache, so that further requests of its device cause no
   * additional look-ups.
   */
  #markRevoked(entry: SessionEntry): void {
    entry.found = { session: revoked(entry.found.session), mark: this.#log.mark() };
  }

  #startLookUp(deviceSessionId: string): Promise<FoundSession | undefined> {
    if (this.#lookUps.size >= this.#lookUpsMax) throw unavailable(new Error("too many session look-ups are in flight"));
    const lookUp = this.#lookUp(deviceSessionId);
    this.#lookUps.set(deviceSessionId, lookUp);
    return lookUp;
  }

  /**
   * Looks up a session and caches it. Between the reply of the source and `finally`, there must be no `await`. Otherwise a
   * `find` during the `await` could get the finished look-up instead of the cached session.
   */
  async #lookUp(deviceSessionId: string): Promise<FoundSession | undefined> {
    try {
      for (let attempt = 0; attempt < LOOK_UP_ATTEMPTS_MAX; attempt++) {
        const generation = this.#generation;
        const mark = this.#log.mark();
        const session = await this.#querySource(deviceSessionId);
        if (generation !== this.#generation) continue;
        if (session === undefined) return this.#rememberUnknown(deviceSessionId);
        const since = this.#log.revokedSince(mark, session.deviceSessionId, session.userId);
        if (since !== "unknown") return this.#remember({ session: since === "revoked" ? revoked(session) : session, mark });
      }
    } finally {
      this.#lookUps.delete(deviceSessionId);
    }
    throw unavailable(new Error("revocations arrived during every attempt of the session look-up"));
  }

  /** Queries the session source. Returns a promise even if the source throws synchronously. */
  async #querySource(deviceSessionId: string): Promise<Session | undefined> {
    try {
      return await this.#source.lookUp(deviceSessionId);
    } catch (thrown) {
      throw unavailable(thrown);
    }
  }

  #remember(found: FoundSession): FoundSession {
    if (this.#ttlMs > 0) this.#sessions.put(found, this.#clock.monotonic() + this.#ttlMs);
    return found;
  }

  #rememberUnknown(deviceSessionId: string): undefined {
    this.#sessions.remove(deviceSessionId);
    this.#unknown.remember(deviceSessionId, this.#clock.monotonic(), this.#unknownTtlMs);
  }
}

function revoked(session: Session): Session {
  return { ...session, status: "revoked" };
}

function unavailable(cause: unknown): Refusal {
  if (cause instanceof Refusal && cause.reason === "SESSION_LOOKUP_UNAVAILABLE") return cause;
  return refuse("SESSION_LOOKUP_UNAVAILABLE", { cause });
}
