import { type Refusal, refuse } from "../core/refusal.ts";
import type { PipelinePorts } from "./ports.ts";
import { type FreshRequest, proven, type VerifiedCaller } from "./proof.ts";

/** Why a request that is well within the window is refused; for the log alone. */
export class SignedBeforeStart extends Error {
  constructor() {
    super("signed before this gateway started: another process may have let it in, and its reservations are gone");
    this.name = "SignedBeforeStart";
  }
}

type FreshnessPorts = Pick<PipelinePorts, "replay" | "replayCoverageStartMs" | "freshness" | "clock">;

/**
 * Checks 5 and 6. Signed just now, and never seen before. The reservation outlives the window by a margin, so that it cannot end
 * before the timestamp does. It is made after the signature is checked: nobody can use up another session's request ids.
 */
export async function claimFreshness(request: VerifiedCaller, ports: FreshnessPorts): Promise<FreshRequest> {
  const { windowMs, marginMs } = ports.freshness;
  const { timestampMs, deviceSessionId, requestId } = request.envelope;
  const signedAtMs = Number(timestampMs);
  checkTimestamp(signedAtMs, ports);
  const first = await ports.replay.reserve(deviceSessionId, requestId, signedAtMs + windowMs + marginMs);
  if (!first) throw refuse("REQUEST_REPLAYED");
  return proven<FreshRequest>(request);
}

function checkTimestamp(signedAtMs: number, { clock, freshness, replayCoverageStartMs }: FreshnessPorts): void {
  const nowMs = clock.now();
  if (Math.abs(nowMs - signedAtMs) > freshness.windowMs) {
    const apart = `${Math.abs(nowMs - signedAtMs)} ms ${signedAtMs > nowMs ? "ahead of" : "behind"} this gateway's clock`;
    throw outOfWindow(nowMs, freshness.windowMs, new Error(apart));
  }
  if (signedAtMs >= replayCoverageStartMs) return;
  if (nowMs >= replayCoverageStartMs) throw outOfWindow(nowMs, freshness.windowMs, new SignedBeforeStart());
  // To sign anew would not help the client: it is the gateway's clock that has been set back.
  throw refuse("REPLAY_STORE_UNAVAILABLE", {
    cause: new Error("the clock stands before the time as of which requests are remembered"),
  });
}

function outOfWindow(nowMs: number, windowMs: number, cause?: Error): Refusal {
  const metadata = { server_time_ms: String(nowMs), window_ms: String(windowMs) };
  return refuse("TIMESTAMP_OUT_OF_WINDOW", { metadata, cause });
}
