import type { Database } from "bun:sqlite";
import { timingSafeEqual } from "node:crypto";
import { randomUUIDv7 } from "bun";
import type { Clock } from "../core/clock.ts";
import { CODE_ATTEMPTS_MAX, CODE_DIGITS, type DevLimits, OUTBOX_ENTRIES_MAX } from "./limits.ts";

/** A uniform, secure random integer from 0 up to but not including `below`. */
export type RandomInt = (below: number) => number;

/** A code on its way to somebody's mailbox; here, people and scripts read it from the outbox. */
export interface Mail {
  readonly email: string;
  readonly challenge_id: string;
  readonly code: string;
}

export type ChallengeRefusal =
  | "challenge_unknown"
  | "challenge_used"
  | "challenge_expired"
  | "too_many_attempts"
  | "wrong_code";

/** Whose address a code proved, or why it proved none. */
export type Redeemed = { readonly email: string } | { readonly refusal: ChallengeRefusal };

interface ChallengeRow {
  readonly email: string;
  readonly code: string;
  readonly expiresAtMs: number;
  readonly attempts: number;
  readonly used: number;
}

/** One-time codes sent to e-mail addresses. */
export class Challenges {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #random: RandomInt;
  readonly #limits: DevLimits;

  constructor(database: Database, clock: Clock, random: RandomInt, limits: DevLimits) {
    this.#database = database;
    this.#clock = clock;
    this.#random = random;
    this.#limits = limits;
  }

  issue(email: string): Mail {
    const now = this.#clock.now();
    const code = String(this.#random(10 ** CODE_DIGITS)).padStart(CODE_DIGITS, "0");
    const mail = { email, challenge_id: randomUUIDv7("hex", now), code };
    this.#database.transaction(() => {
      const { lastInsertRowid } = this.#database
        .query<null, [string, string, string, number]>(
          "INSERT INTO challenges (id, email, code, expires_at_ms) VALUES (?, ?, ?, ?)",
        )
        .run(mail.challenge_id, email, code, now + this.#limits.codeTtlMs);
      this.#database
        .query<null, [number]>("DELETE FROM challenges WHERE seq <= ?")
        .run(Number(lastInsertRowid) - this.#limits.challengesMax);
    })();
    return mail;
  }

  /** Spends a challenge. A wrong code spends one of its attempts, which no later failure gives back. */
  redeem(id: string, code: string): Redeemed {
    const challenge = this.#find(id);
    if (challenge === undefined) return { refusal: "challenge_unknown" };
    if (challenge.used !== 0) return { refusal: "challenge_used" };
    if (challenge.expiresAtMs <= this.#clock.now()) return { refusal: "challenge_expired" };
    if (challenge.attempts >= CODE_ATTEMPTS_MAX) return { refusal: "too_many_attempts" };
    const right = equalText(code, challenge.code);
    this.#database
      .query<null, [number, string]>("UPDATE challenges SET attempts = attempts + 1, used = ? WHERE id = ?")
      .run(right ? 1 : 0, id);
    return right ? { email: challenge.email } : { refusal: "wrong_code" };
  }

  /** The latest codes, newest last. */
  outbox(): Mail[] {
    return this.#database
      .query<Mail, [number]>("SELECT email, id AS challenge_id, code FROM challenges ORDER BY seq DESC LIMIT ?")
      .all(OUTBOX_ENTRIES_MAX)
      .reverse();
  }

  #find(id: string): ChallengeRow | undefined {
    const row = this.#database
      .query<ChallengeRow, [string]>(
        "SELECT email, code, expires_at_ms AS expiresAtMs, attempts, used FROM challenges WHERE id = ?",
      )
      .get(id);
    return row ?? undefined;
  }
}

function equalText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
