import type { Database } from "bun:sqlite";
import { timingSafeEqual } from "node:crypto";
import { randomUUIDv7 } from "bun";
import type { Clock } from "../core/clock.ts";
import { CODE_ATTEMPTS_MAX, CODE_DIGITS, type DevLimits, SENT_MAILS_MAX } from "./limits.ts";

/** Returns a cryptographically secure random integer, uniform in [0, `below`). */
export type RandomInt = (below: number) => number;

/** A login e-mail. It is not sent: read it with `GET /dev/outbox`. */
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

/** The e-mail address of the challenge if the code is accepted, or the reason if it is refused. */
export type RedeemResult = { readonly email: string } | { readonly refusal: ChallengeRefusal };

interface ChallengeRow {
  readonly email: string;
  readonly code: string;
  readonly expiresAtMs: number;
  readonly attempts: number;
  readonly used: number;
}

/** Stores challenges. A challenge is a login that was started. It has a one-time code. */
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

  /** Creates a challenge. If there are more than `challengesMax`, deletes the oldest challenges. */
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

  /** Compares the code with the challenge's code. Each comparison counts as an attempt. A match marks the challenge as used. */
  redeem(id: string, code: string): RedeemResult {
    const challenge = this.#find(id);
    if (challenge === undefined) return { refusal: "challenge_unknown" };
    if (challenge.used !== 0) return { refusal: "challenge_used" };
    if (challenge.expiresAtMs <= this.#clock.now()) return { refusal: "challenge_expired" };
    if (challenge.attempts >= CODE_ATTEMPTS_MAX) return { refusal: "too_many_attempts" };
    const isRight = equalText(code, challenge.code);
    this.#database
      .query<null, [number, string]>("UPDATE challenges SET attempts = attempts + 1, used = ? WHERE id = ?")
      .run(isRight ? 1 : 0, id);
    return isRight ? { email: challenge.email } : { refusal: "wrong_code" };
  }

  /** Returns the latest `SENT_MAILS_MAX` e-mails, oldest first. */
  sentMails(): Mail[] {
    return this.#database
      .query<Mail, [number]>("SELECT email, id AS challenge_id, code FROM challenges ORDER BY seq DESC LIMIT ?")
      .all(SENT_MAILS_MAX)
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
