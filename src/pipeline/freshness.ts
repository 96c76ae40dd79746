import { type Refusal, refuse } from "../core/refusal.ts";
import type { PipelinePorts } from "./ports.ts";
import { type FreshRequest, proven, type VerifiedCaller } from "./proof.ts";

/** The private cause of refusing a request within the freshness window. Logged, never sent. */
export class SignedBeforeStart extends Error {
  constructor() {
    super("signed before this gateway started: the reservations of the previous process are lost");
    this.name = "SignedBeforeStart";
  }
}

type FreshnessPorts = Pick<PipelinePorts, "replay" | "replayCoverageStartMs" | "freshness" | "clock">;

/**
 * Checks 5 and 6. The timestamp is within the freshness window, and the request id is unused. The reservation outlives the window by a
 * margin, so that it cannot expire before the timestamp does. The signature is checked before, so that only the session itself can use
 * up its request ids.
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
  // The gateway's clock was set back, so a new signature would not help the client.
  throw refuse("REPLAY_STORE_UNAVAILABLE", {
    cause: new Error("the gateway's clock is before the start of the replay coverage"),
  });
}

function outOfWindow(nowMs: number, windowMs: number, cause?: Error): Refusal {
  const metadata = { server_time_ms: String(nowMs), window_ms: String(windowMs) };
  return refuse("TIMESTAMP_OUT_OF_WINDOW", { metadata, cause });
}
