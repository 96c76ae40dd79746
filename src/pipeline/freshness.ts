import { refuse } from "../core/refusal.ts";
import type { PipelinePorts } from "./ports.ts";
import { type FreshRequest, proven, type VerifiedCaller } from "./proof.ts";

/**
 * Checks 5 and 6. Signed just now, and never seen before. The reservation outlives the window by a margin, so that it cannot end
 * before the timestamp does. It is made after the signature is checked: nobody can use up another session's request ids.
 */
export async function claimFreshness(
  request: VerifiedCaller,
  ports: Pick<PipelinePorts, "replay" | "freshness" | "clock">,
): Promise<FreshRequest> {
  const { windowMs, marginMs } = ports.freshness;
  const { timestampMs, deviceSessionId, requestId } = request.envelope;
  const now = ports.clock.now();
  const signedAt = Number(timestampMs);
  if (Math.abs(now - signedAt) > windowMs) {
    throw refuse("TIMESTAMP_OUT_OF_WINDOW", { metadata: { server_time_ms: String(now), window_ms: String(windowMs) } });
  }
  const first = await ports.replay.reserve(deviceSessionId, requestId, signedAt + windowMs + marginMs);
  if (!first) throw refuse("REQUEST_REPLAYED");
  return proven<FreshRequest>(request);
}
