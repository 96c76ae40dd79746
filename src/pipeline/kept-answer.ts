import type { AnswerClaim } from "../core/answers.ts";
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

/** A route that keeps its answers. */
export type KeepingRoute = Pick<Route, "timeoutMs"> & { readonly keepAnswerMs: number };

export type AnswerPorts = Pick<PipelinePorts, "answers" | "lastingCalls" | "onAnswer" | "freshness" | "clock">;

/** Calls the backend. `mayBeSent` runs before the call is sent, and throws if the call must not be sent. */
type BackendCall = (signal: AbortSignal, mayBeSent: SendCheck) => Promise<BackendReply>;

/**
 * Executes a command under its idempotency key (proto/client.md, "Keep an answer").
 *
 * - If the command has been executed, returns the kept answer.
 * - If another request is executing the command, waits for the answer until `signal` aborts.
 * - Before a kept answer is returned, calls `mayBeSent`, which throws if the session was revoked.
 */
export async function answerOnce(
  request: AdmittedRequest,
  route: KeepingRoute,
  call: BackendCall,
  mayBeSent: SendCheck,
  ports: AnswerPorts,
  signal: AbortSignal,
): Promise<Answer> {
  const outcome = await ports.answers.claim(keyedRequest(request, ports), route.timeoutMs + CLAIM_LEASE_MARGIN_MS, signal);
  switch (outcome.kind) {
    case "first": {
      const check: SendCheck = (queued) => mayBeSent(queued || outcome.waited);
      const first = (lasting: AbortSignal) => callAndKeep(request, route, outcome.claim, () => call(lasting, check), ports);
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
 * Calls the backend and keeps its answer. If the call throws, releases the claim, so that another request can execute the
 * command.
 */
async function callAndKeep(
  request: AdmittedRequest,
  route: KeepingRoute,
  claim: AnswerClaim,
  call: () => Promise<BackendReply>,
  ports: AnswerPorts,
): Promise<BackendReply> {
  let reply: BackendReply;
  try {
    reply = await call();
  } catch (refusal) {
    await claim.release();
    ports.onAnswer("released");
    throw refusal;
  }
  const isKept = await claim.keep(reply, ageOf(request, route, ports));
  ports.onAnswer(isKept ? "kept" : "not_kept");
  return reply;
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
function ageOf({ envelope }: AdmittedRequest, { keepAnswerMs: keptForMs }: KeepingRoute, { clock, freshness }: AnswerPorts) {
  const keptUntilMs = Math.max(Number(envelope.timestampMs), clock.now()) + keptForMs;
  return { keptForMs, keptUntilMs, storedUntilMs: keptUntilMs + freshness.windowMs + freshness.marginMs };
}
