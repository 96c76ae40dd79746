import type { Clock } from "../../core/clock.ts";
import { Refusal, refuse } from "../../core/refusal.ts";
import type { RevocationLog } from "../../core/revocation-log.ts";
import type { FoundSession, Revocation, Session, SessionDirectory, SessionSource } from "../../core/sessions.ts";
import { randomSeed } from "./fingerprint.ts";
import { SessionEntries, type SessionEntry } from "./session-entries.ts";
import { UnknownSessions } from "./unknown-sessions.ts";

export interface SessionCacheOptions {
  /** How long an active or revoked session is cached. 0: not at all. */
  readonly ttlMs: number;
  /** How long an id that the source does not know is cached. 0: not at all. */
  readonly unknownTtlMs: number;
  /** Capacity: sessions, and as many unknown ids besides. */
  readonly entriesMax: number;
  /** Look-ups in flight, at most one per id. More are refused. */
  readonly lookUpsMax?: number | undefined;
  /**
   * Whether revocations currently arrive. While they do not, every `find` goes to the source. It may return to `true` only after the missed
   * revocations were applied, or after `clear`. Default: always.
   */
  readonly trusted?: (() => boolean) | undefined;
  /** 16 secret bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

type RevocationMarks = Pick<RevocationLog, "mark" | "revokedSince">;

/** A look-up in flight holds a connection to the source and some kilobytes. */
const LOOK_UPS_MAX = 16_384;

/** Attempts in all. A look-up is repeated if `clear` ran meanwhile, or if the revocation log overflowed. */
const LOOK_UP_ATTEMPTS_MAX = 3;

/**
 * The session directory: a bounded cache over a source.
 *
 * A revocation wins every race, by two rules. `revoke` changes cached sessions, so a hit is current. A look-up takes the revocation log's
 * mark before it starts and searches the log when it ends. So a revocation must be appended to the log first, and `revoke` called
 * synchronously after.
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
  /** Number of calls of `clear`. */
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

  /** Includes expired sessions that were not yet evicted. */
  get entries(): number {
    return this.#sessions.size;
  }

  /** Frees memory. Call it every second. */
  trim(): void {
    this.#unknown.trim(this.#clock.monotonic());
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

  /** Marks the sessions that a revocation concerns. The revocation is already in the log. */
  revoke(revocation: Revocation): void {
    if (revocation.deviceSessionId) {
      const entry = this.#sessions.get(revocation.deviceSessionId);
      if (entry !== undefined) this.#markRevoked(entry);
    } else if (revocation.userId) {
      for (const entry of this.#sessions.ofUser(revocation.userId)) this.#markRevoked(entry);
    }
  }

  /** Evicts every session, and makes look-ups in flight start over: revocations may have been lost. */
  clear(): void {
    this.#generation++;
    this.#sessions.clear();
  }

  /** A hit with the current mark. Results that were returned before never change: callers check the log from the mark in them. */
  #current(entry: SessionEntry): FoundSession {
    const mark = this.#log.mark();
    if (entry.found.mark !== mark) entry.found = { session: entry.found.session, mark };
    return entry.found;
  }

  /** A revoked session stays cached, so that its device causes no more look-ups than an active one. */
  #markRevoked(entry: SessionEntry): void {
    entry.found = { session: revoked(entry.found.session), mark: this.#log.mark() };
  }

  #startLookUp(deviceSessionId: string): Promise<FoundSession | undefined> {
    if (this.#lookUps.size >= this.#lookUpsMax) throw unavailable(new Error("too many session look-ups are in flight"));
    const lookUp = this.#lookUp(deviceSessionId);
    this.#lookUps.set(deviceSessionId, lookUp);
    return lookUp;
  }

  /** No `await` between the source's reply and the `finally`: a later `find` must see the cache, never a finished look-up. */
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

  /** Returns a promise even if the source throws synchronously. */
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
