import { SallyportError } from "./errors.ts";

/** Reasons of final refusals. Another attempt with the same credentials would be refused for the same reason. */
const FINAL_REASONS: ReadonlySet<string | undefined> = new Set([
  "SESSION_REVOKED",
  "SESSION_NOT_FOUND",
  "SIGNATURE_INVALID",
  "UNSUPPORTED_PROTOCOL_VERSION",
  "MALFORMED_ENVELOPE",
  "PAYLOAD_INVALID",
]);

/** A subscription ends after this number of final refusals in sequence. Each one refuses a newly signed request. */
const CLAIMS_MIN = 3;

/**
 * Counts the final refusals in sequence. One final refusal does not end a subscription, because it may be wrong. Errors are not
 * signed, so a proxy can forge them. A restarted backend can also answer wrongly. A verified event proves that the session exists,
 * so it clears the count.
 */
export class FinalRefusals {
  #claims = 0;

  /** Counts the error if it is a final refusal. Returns true if the count has reached `CLAIMS_MIN`. */
  confirms(error: unknown): boolean {
    if (!(error instanceof SallyportError) || !FINAL_REASONS.has(error.reason)) return false;
    this.#claims++;
    return this.#claims >= CLAIMS_MIN;
  }

  /** True from the first final refusal until the count is cleared. */
  get isPending(): boolean {
    return this.#claims > 0;
  }

  clear(): void {
    this.#claims = 0;
  }
}
