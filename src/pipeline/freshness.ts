import { type Refusal, refuse } from "../core/refusal.ts";
import type { PipelinePorts } from "./ports.ts";
import { type FreshRequest, proven, type VerifiedCaller } from "./proof.ts";

/**
 * A cause of TIMESTAMP_OUT_OF_WINDOW: the request was signed before the gateway started. Its timestamp is within the freshness
 * window, but its reservation may be lost. The cause is logged, and never sent to a client.
 */
export class SignedBeforeStart extends Error {
  constructor() {
    super("signed before this gateway started: the reservations of the previous process are lost");
    this.name = "SignedBeforeStart";
  }
}

type FreshnessPorts = Pick<PipelinePorts, "replay" | "replayCoverageStartMs" | "freshness" | "clock">;

/**
 * Checks 5 and 6. Throws unless the timestamp is within the freshness window and the request id is unused.
 *
 * - The reservation of the request id expires only after the timestamp has left the freshness window.
 * - Check 4 has already verified the signature. So only the device of a session can use up the session's request ids.
 */
export async function claimFreshness(request: VerifiedCaller, ports: FreshnessPorts): Promise<FreshRequest> {
  const { windowMs, marginMs } = ports.freshness;
  const { timestampMs, deviceSessionId, requestId } = request.envelope;
  const signedAtMs = Number(timestampMs);
  checkTimestamp(signedAtMs, ports);
  const isNew = await ports.replay.reserve(deviceSessionId, requestId, signedAtMs + windowMs + marginMs);
  if (!isNew) throw refuse("REQUEST_REPLAYED");
  return proven<FreshRequest>(request);
}

function checkTimestamp(signedAtMs: number, { clock, freshness, replayCoverageStartMs }: FreshnessPorts): void {
  const nowMs = clock.now();
  if (Math.abs(nowMs - signedAtMs) > freshness.windowMs) {
    const difference = `${Math.abs(nowMs - signedAtMs)} ms ${signedAtMs > nowMs ? "ahead of" : "behind"} this gateway's clock`;
    throw outOfWindow(nowMs, freshness.windowMs, new Error(difference));
  }
  if (signedAtMs >= replayCoverageStartMs) return;
  if (nowMs >= replayCoverageStartMs) throw outOfWindow(nowMs, freshness.windowMs, new SignedBeforeStart());
  // The gateway's clock was set back. The refusal must not be TIMESTAMP_OUT_OF_WINDOW: the client would sign the request again,
  // which cannot help.
  throw refuse("REPLAY_STORE_UNAVAILABLE", {
    cause: new Error("the gateway's clock is before the start of the replay coverage"),
  });
}

function outOfWindow(nowMs: number, windowMs: number, cause?: Error): Refusal {
  const metadata = { server_time_ms: String(nowMs), window_ms: String(windowMs) };
  return refuse("TIMESTAMP_OUT_OF_WINDOW", { metadata, cause });
}
