import type { ClaimOutcome } from "../core/answers.ts";
import type { BackendReply } from "../core/backend.ts";

/** The result of one attempt to claim a command. `busy`: another request has the claim. `end` resolves when that claim ends. */
export type ClaimAttempt =
  | Exclude<ClaimOutcome, { kind: "in_flight" }>
  | { readonly kind: "busy"; readonly end: () => Promise<BackendReply | undefined> };

/**
 * Waits while another request has the claim on the same command. Whenever a claim ends without an answer, calls `attempt` to
 * claim the command. Resolves to `in_flight` if `signal` aborts, or after `waitMs`.
 */
export async function waitForClaim(
  busy: Extract<ClaimAttempt, { kind: "busy" }>,
  attempt: () => ClaimAttempt | Promise<ClaimAttempt>,
  waitMs: number,
  signal: AbortSignal,
): Promise<ClaimOutcome> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), waitMs);
  const ended = AbortSignal.any([signal, limit.signal]);
  try {
    let current: ClaimAttempt = busy;
    while (current.kind === "busy") {
      const reply = await unlessAborted(current.end(), ended);
      if (reply !== undefined) return { kind: "kept", reply, waited: true };
      if (ended.aborted) return { kind: "in_flight" };
      current = await attempt();
    }
    if (current.kind === "reused") return current;
    // If the client disconnected or `waitMs` passed during `attempt`, releases the new claim. No command was sent, so another
    // request may claim the command.
    if (current.kind === "first" && ended.aborted) {
      await current.claim.release();
      return { kind: "in_flight" };
    }
    return { ...current, waited: true };
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves to the result of `work`, or to `undefined` as soon as `signal` aborts. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const giveUp = () => resolve(undefined);
    if (signal.aborted) return giveUp();
    signal.addEventListener("abort", giveUp);
    work.finally(() => signal.removeEventListener("abort", giveUp)).then(resolve, reject);
  });
}
