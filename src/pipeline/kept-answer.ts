import type { AnswerAge, AnswerClaim } from "../core/answers.ts";
import type { BackendReply, Route, SendCheck } from "../core/backend.ts";
import { CLAIM_LEASE_MARGIN_MS } from "../core/limits.ts";
import { refuse } from "../core/refusal.ts";
import type { PipelinePorts } from "./ports.ts";
import type { AdmittedRequest } from "./proof.ts";

/** The source of an answer: the backend, the answer store (`replayed`), or another request for which this request waited. */
export type AnswerSource = "backend" | "replayed" | "waited";

export interface Answer {
  readonly reply: BackendReply;
  readonly source: AnswerSource;
}

/**
 * Lease of a claim that only checks the key, in ms. The claim is released before the backend call. The lease is short, so that a
 * claim whose release is lost does not block the key for long.
 */
const KEY_CHECK_LEASE_MS = 1000;

type KeyedRoute = Pick<Route, "timeoutMs" | "keepAnswerMs">;

export type AnswerPorts = Pick<PipelinePorts, "answers" | "lastingCalls" | "onAnswer" | "freshness" | "clock">;

/** Calls the backend. `mayBeSent` runs before the call is sent, and throws if the call must not be sent. */
type BackendCall = (signal: AbortSignal, mayBeSent: SendCheck) => Promise<BackendReply>;

/**
 * Executes a command under its idempotency key (proto/client.md, "Keep an answer").
 *
 * - If the key belongs to another command, throws IDEMPOTENCY_KEY_REUSED. This is checked on routes without `keepAnswerMs` too,
 *   so that the backend does not get the key of a kept answer for another command.
 * - If the command has been executed, returns the kept answer.
 * - If another request is executing the command, waits for the answer until `signal` aborts.
 * - Before a kept answer is returned, calls `mayBeSent`, which throws if the session was revoked.
 */
export async function answerOnce(
  request: AdmittedRequest,
  route: KeyedRoute,
  call: BackendCall,
  mayBeSent: SendCheck,
  ports: AnswerPorts,
  signal: AbortSignal,
): Promise<Answer> {
  const { keepAnswerMs, timeoutMs } = route;
  const leaseMs = keepAnswerMs === undefined ? KEY_CHECK_LEASE_MS : timeoutMs + CLAIM_LEASE_MARGIN_MS;
  const outcome = await ports.answers.claim(keyedRequest(request, ports), leaseMs, signal);
  switch (outcome.kind) {
    case "first": {
      const check: SendCheck = (queued) => mayBeSent(queued || outcome.waited);
      if (keepAnswerMs === undefined) {
        await outcome.claim.release();
        return { reply: await call(signal, check), source: "backend" };
      }
      const age = () => ageOf(request, keepAnswerMs, ports);
      const first = (lasting: AbortSignal) => callAndKeep(outcome.claim, age, () => call(lasting, check), ports);
      return { reply: await ports.lastingCalls.run(first), source: "backend" };
    }
    case "kept": {
      await mayBeSent(outcome.waited);
      const source = outcome.waited ? "waited" : "replayed";
      ports.onAnswer(source);
      return { reply: outcome.reply, source };
    }
    case "reused":
      ports.onAnswer("reused");
      throw refuse("IDEMPOTENCY_KEY_REUSED");
    case "in_flight":
      throw refuse("BACKEND_TIMEOUT", { cause: new Error("another request with this idempotency key got no answer in time") });
  }
}

/**
 * Calls the backend and keeps its answer. If the call throws or its answer is transient, releases the claim instead, so that
 * another request can execute the command.
 */
async function callAndKeep(
  claim: AnswerClaim,
  age: () => AnswerAge,
  call: () => Promise<BackendReply>,
  ports: AnswerPorts,
): Promise<BackendReply> {
  let reply: BackendReply | undefined;
  try {
    reply = await call();
    return reply;
  } finally {
    if (reply === undefined || reply.isTransient === true) {
      await claim.release();
      ports.onAnswer("released");
    } else {
      const isKept = await claim.keep(reply, age());
      ports.onAnswer(isKept ? "kept" : "not_kept");
    }
  }
}

function keyedRequest({ envelope }: AdmittedRequest, { clock }: AnswerPorts) {
  const { deviceSessionId, idempotencyKey, messageType, payloadHash, timestampMs } = envelope;
  const fingerprint = `${messageType} ${payloadHash.toBase64()}`;
  return { deviceSessionId, idempotencyKey, fingerprint, asOfMs: Math.min(Number(timestampMs), clock.now()) };
}

/**
 * Computes how long an answer is kept.
 *
 * - `keptUntilMs` counts from the arrival of the answer or from the timestamp of its request, whichever is later. If the clock
 *   of the device is ahead, the timestamp counts, because the timestamps of later attempts are ahead too.
 * - `storedUntilMs` is later than `keptUntilMs` by the freshness window plus `freshness.marginMs`. Until then, a delayed request
 *   can still arrive within its freshness window. Without the stored answer, this request would execute the command again.
 */
function ageOf({ envelope }: AdmittedRequest, keptForMs: number, { clock, freshness }: AnswerPorts): AnswerAge {
  const keptUntilMs = Math.max(Number(envelope.timestampMs), clock.now()) + keptForMs;
  return { keptForMs, keptUntilMs, storedUntilMs: keptUntilMs + freshness.windowMs + freshness.marginMs };
}
