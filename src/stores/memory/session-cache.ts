import type { Clock } from "../../core/clock.ts";
import type { FoundSession, Revocation, Session, SessionDirectory, SessionSource } from "../../core/ports.ts";
import { Refusal, refuse } from "../../core/refusal.ts";
import type { RevocationLog } from "../../core/revocation-log.ts";
import { randomSeed } from "./fingerprint.ts";
import { SessionEntries, type SessionEntry } from "./session-entries.ts";
import { UnknownSessions } from "./unknown-sessions.ts";

export interface SessionCacheOptions {
  /** How long a session is kept, be it active or revoked. 0: not at all. */
  readonly ttlMs: number;
  /** How long an id is kept that the source does not know. 0: not at all. */
  readonly unknownTtlMs: number;
  /** Sessions kept, and unknown ids kept besides. */
  readonly entriesMax: number;
  /** Look-ups under way at once, one an id; more are refused. */
  readonly lookUpsMax?: number | undefined;
  /**
   * Whether revocations arrive at the moment. While they do not, every `find` goes to the source. To be `true` again only when what
   * was missed has been taken in, or after `clear`. Always, by default.
   */
  readonly trusted?: (() => boolean) | undefined;
  /** 16 secret bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

type RevocationMarks = Pick<RevocationLog, "mark" | "revokedSince">;

/** A look-up under way holds a connection to the source and some kilobytes. */
const LOOK_UPS_MAX = 16_384;

/** A look-up that a feed gap or a flood of revocations overtook begins anew this often in all. */
const LOOK_UP_ATTEMPTS_MAX = 3;

/**
 * The session directory: a bounded cache over a source.
 *
 * Revocations win by two rules. What is cached is changed by `revoke`, so a hit holds as of now; and a look-up takes the revocation
 * log's mark before it begins and asks the log when it ends. So whoever revokes appends to the log first, and calls `revoke` in the same
 * breath.
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
  /** How often the cache was cleared. */
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

  /** Sessions kept, and expired ones not yet displaced. */
  get entries(): number {
    return this.#sessions.size;
  }

  find(deviceSessionId: string): FoundSession | undefined | Promise<FoundSession | undefined> {
    if (this.#trusted()) {
      const nowMs = this.#clock.monotonic();
      const entry = this.#sessions.get(deviceSessionId);
      if (entry !== undefined && nowMs < entry.expiresAtMs) return this.#asOfNow(entry);
      if (this.#unknown.has(deviceSessionId, nowMs)) return undefined;
    }
    return this.#lookUps.get(deviceSessionId) ?? this.#beginLookUp(deviceSessionId);
  }

  /** Ends the sessions that a revocation concerns. The revocation is in the log already. */
  revoke(revocation: Revocation): void {
    if (revocation.deviceSessionId) {
      const entry = this.#sessions.get(revocation.deviceSessionId);
      if (entry !== undefined) this.#markRevoked(entry);
    } else if (revocation.userId) {
      for (const entry of this.#sessions.ofUser(revocation.userId)) this.#markRevoked(entry);
    }
  }

  /** Forgets every session, and what look-ups under way are about to learn: revocations may have been lost. */
  clear(): void {
    this.#generation++;
    this.#sessions.clear();
  }

  /** The entry's answer. One that was given before is never changed: its mark says what its holder has yet to ask the log about. */
  #asOfNow(entry: SessionEntry): FoundSession {
    const mark = this.#log.mark();
    if (entry.found.mark !== mark) entry.found = { session: entry.found.session, mark };
    return entry.found;
  }

  /** A revoked session stays, so that its device asks the source no more often than another. */
  #markRevoked(entry: SessionEntry): void {
    entry.found = { session: revoked(entry.found.session), mark: this.#log.mark() };
  }

  #beginLookUp(deviceSessionId: string): Promise<FoundSession | undefined> {
    if (this.#lookUps.size >= this.#lookUpsMax) throw unavailable(new Error("too many session look-ups are under way"));
    const lookUp = this.#lookUp(deviceSessionId);
    this.#lookUps.set(deviceSessionId, lookUp);
    return lookUp;
  }

  /** From the answer of the source to the end of this there is no `await`: whoever asks later finds the cache, not this look-up. */
  async #lookUp(deviceSessionId: string): Promise<FoundSession | undefined> {
    try {
      for (let attempt = 0; attempt < LOOK_UP_ATTEMPTS_MAX; attempt++) {
        const generation = this.#generation;
        const mark = this.#log.mark();
        const session = await this.#ask(deviceSessionId);
        if (generation !== this.#generation) continue;
        if (session === undefined) return this.#rememberUnknown(deviceSessionId);
        const since = this.#log.revokedSince(mark, session.deviceSessionId, session.userId);
        if (since !== "unknown") return this.#remember({ session: since === "revoked" ? revoked(session) : session, mark });
      }
    } finally {
      this.#lookUps.delete(deviceSessionId);
    }
    throw unavailable(new Error("revocations kept overtaking the session look-up"));
  }

  /** Always gives a promise, also where the source throws at once. */
  async #ask(deviceSessionId: string): Promise<Session | undefined> {
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
