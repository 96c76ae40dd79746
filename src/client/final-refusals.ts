import { SallyportError } from "./errors.ts";

/** Reasons that another attempt with the same credentials does not change. */
const FINAL_REASONS: ReadonlySet<string | undefined> = new Set([
  "SESSION_REVOKED",
  "SESSION_NOT_FOUND",
  "SIGNATURE_INVALID",
  "UNSUPPORTED_PROTOCOL_VERSION",
  "MALFORMED_ENVELOPE",
  "PAYLOAD_INVALID",
]);

/** Number of refusals in sequence, each to a newly signed request, after which a subscription ends. */
const CLAIMS_MIN = 3;

/**
 * Counts the final refusals in sequence. One is not enough, because errors are not signed: a proxy can forge one, and a restarted
 * backend can send a wrong one. A verified event proves that the session exists, so it clears the count.
 */
export class FinalRefusals {
  #claims = 0;

  /** Returns true if the subscription must end with this error. Other errors neither add to the count nor clear it. */
  confirms(error: unknown): boolean {
    if (!(error instanceof SallyportError) || !FINAL_REASONS.has(error.reason)) return false;
    this.#claims++;
    return this.#claims >= CLAIMS_MIN;
  }

  /** True after a final refusal that is not confirmed yet. */
  get isPending(): boolean {
    return this.#claims > 0;
  }

  clear(): void {
    this.#claims = 0;
  }
}
