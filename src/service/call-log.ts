import { ConnectError } from "@connectrpc/connect";
import type { Peer } from "../core/admission.ts";
import { describeCause } from "../core/cause.ts";
import type { Clock } from "../core/clock.ts";
import { Refusal } from "../core/refusal.ts";
import type { Log, LogFields, Metrics } from "../core/telemetry.ts";
import type { CallSummary } from "../rpc/options.ts";
import { codeNameOf, reasonOf } from "./rpc-errors.ts";

/** Returns a function that records the outcome of one RPC in the metrics and in one log line. */
export function callLog(log: Log, metrics: Metrics, clock: Clock): (summary: CallSummary<Peer>) => void {
  return (summary) => {
    const { method, thrown, call } = summary;
    const { protocol, codec, notes, waitedMs } = call;
    const elapsedMs = clock.monotonic() - call.startedAt;
    const code = thrown === undefined ? "ok" : codeNameOf(thrown);
    const reason = thrown === undefined ? undefined : reasonOf(thrown);
    metrics.count("sallyport_requests_total", { rpc: method, protocol, code, reason: reason ?? "" });
    metrics.observe("sallyport_request_seconds", (elapsedMs - waitedMs) / 1000, { rpc: method });
    if (reason !== undefined) metrics.count("sallyport_refusals_total", { reason });
    const fields: LogFields = {
      rpc: method,
      protocol,
      codec,
      code,
      reason,
      ms: roundedMs(elapsedMs),
      waited_ms: waitedMs === 0 ? undefined : roundedMs(waitedMs),
      peer: call.peer.address,
      device_session_id: notes["device_session_id"],
      message_type: notes["message_type"],
      request_id: notes["request_id"],
      idempotency_key: notes["idempotency_key"],
      user_id: notes["user_id"],
      result_code: notes["result_code"],
      answer: notes["answer"],
      events: notes["events"],
      // The details of the refusal, such as `scope`, `field` or `limit_bytes`. The client gets them too.
      ...(thrown instanceof Refusal && thrown.metadata),
      cause: causeOf(thrown),
    };
    // Only the reason INTERNAL is a fault of the gateway. A protocol error has no reason, and is a fault of the client. A protocol
    // error may still have the code `internal`, because the RPC protocols require this code for some malformed frames.
    if (reason === "INTERNAL") log.error("RPC failed", fields);
    else log.info("RPC finished", fields);
  };
}

/** Rounds a duration in ms to microseconds. */
function roundedMs(ms: number): number {
  return Math.round(ms * 1e3) / 1e3;
}

/** Returns the cause of an error as text; `undefined` if there is no cause. The cause is logged, but never sent to a client. */
function causeOf(thrown: unknown): string | undefined {
  if (thrown === undefined) return undefined;
  const cause = thrown instanceof Refusal || thrown instanceof ConnectError ? thrown.cause : thrown;
  return cause === undefined ? undefined : describeCause(cause);
}
