import { Backoff } from "../core/backoff.ts";
import type { FillRandom } from "./bytes.ts";
import { SallyportError } from "./errors.ts";
import { RestError } from "./rest.ts";
import { timerMs } from "./timer-ms.ts";

/** How `execute` repeats a command that has an `idempotencyKey`. */
export interface RetryOptions {
  /** Maximum number of attempts, including the first. 1 switches retries off. Default: 10. */
  readonly attemptsMax?: number | undefined;
  /** Timeout of one attempt, in ms. The timeout of the whole call also ends the attempt. Default: 15,000. */
  readonly attemptTimeoutMs?: number | undefined;
  /**
   * Upper limit of the first delay, in ms. The limit doubles with each attempt. Each delay is random below its limit. Default:
   * 200.
   */
  readonly delayMinMs?: number | undefined;
  /** Upper limit of each random delay, in ms. A delay that the gateway asks for is added. Default: 5000. */
  readonly delayMaxMs?: number | undefined;
  /**
   * The `keep_answer_ms` of the route. Retries start only within this time from the start of the call. After this time, the
   * gateway may have deleted the answer, and would execute the command again. Set it for each route whose `keep_answer_ms` is
   * below the default. Default: 60,000.
   */
  readonly keepAnswerMs?: number | undefined;
}

export type RetryPolicy = { readonly [Name in keyof RetryOptions]-?: NonNullable<RetryOptions[Name]> };

const NO_RETRY: RetryOptions = { attemptsMax: 1 };

/** Returns the policy of a call. An option of the call overrides the same option of the client. */
export function retryPolicy(ofClient: RetryOptions | false | undefined, ofCall: RetryOptions | false | undefined): RetryPolicy {
  const [client, call] = [ofClient === false ? NO_RETRY : ofClient, ofCall === false ? NO_RETRY : ofCall];
  return {
    attemptsMax: call?.attemptsMax ?? client?.attemptsMax ?? 10,
    attemptTimeoutMs: call?.attemptTimeoutMs ?? client?.attemptTimeoutMs ?? 15_000,
    delayMinMs: call?.delayMinMs ?? client?.delayMinMs ?? 200,
    delayMaxMs: call?.delayMaxMs ?? client?.delayMaxMs ?? 5000,
    keepAnswerMs: call?.keepAnswerMs ?? client?.keepAnswerMs ?? 60_000,
  };
}

/**
 * Returns true if another attempt may get the answer: the answer was lost or not trusted, or the refusal may be temporary.
 *
 * Each attempt is newly signed and has a new request id. `REQUEST_REPLAYED` therefore means that a copy of the request reached
 * the gateway first.
 */
export function isWorthRetrying(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted || !(error instanceof SallyportError)) return false;
  // A `RestError` means that the gateway's keys could not be fetched, so the answer could not be verified.
  return error.retryable || error instanceof RestError || error.reason === "REQUEST_REPLAYED" || error.code === "canceled";
}

/** Creates the back-off between the attempts of one call. */
export function retryBackoff({ delayMinMs, delayMaxMs }: RetryPolicy, fillRandom: FillRandom): Backoff {
  const random = () => {
    const word = new Uint32Array(1);
    fillRandom(new Uint8Array(word.buffer));
    return (word[0] ?? 0) / 2 ** 32;
  };
  return new Backoff({ minMs: Math.min(delayMinMs, delayMaxMs), maxMs: delayMaxMs, random });
}

/** Returns the delay after a failed attempt, in ms: the delay that the gateway asked for, plus the back-off. */
export function delayAfter(error: unknown, backoff: Backoff): number {
  const askedMs = error instanceof SallyportError ? (error.retryAfterMs ?? 0) : 0;
  return askedMs + backoff.nextMs();
}

/** Waits. Ends early if the signal aborts. */
export async function sleep(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return;
  await new Promise<void>((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, timerMs(delayMs));
    signal?.addEventListener("abort", wake);
  });
}
