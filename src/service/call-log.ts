import { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { describeCause } from "../core/cause.ts";
import type { Clock } from "../core/clock.ts";
import type { Log, LogFields, Metrics, Peer } from "../core/ports.ts";
import { Refusal } from "../core/refusal.ts";
import type { CallSummary } from "../rpc/options.ts";
import { reasonOf, toConnectError } from "./rpc-errors.ts";

/** Turns the outcome of every call into one metric and one log line. */
export function callLog(log: Log, metrics: Metrics, clock: Clock): (summary: CallSummary<Peer>) => void {
  return (summary) => {
    const { method, protocol, codec, thrown, call } = summary;
    const { notes } = call;
    const seconds = (clock.monotonic() - summary.startedAt) / 1000;
    const code = thrown === undefined ? "ok" : codeToString(toConnectError(thrown).code);
    const reason = thrown === undefined ? undefined : reasonOf(thrown);
    metrics.count("sallyport_requests_total", { rpc: method, protocol, code, reason: reason ?? "" });
    metrics.observe("sallyport_request_seconds", seconds, { rpc: method });
    if (reason !== undefined) metrics.count("sallyport_refusals_total", { reason });
    const fields: LogFields = {
      rpc: method,
      protocol,
      codec,
      code,
      reason,
      ms: Math.round(seconds * 1e6) / 1e3,
      peer: call.peer.address,
      device_session_id: notes.device_session_id,
      message_type: notes.message_type,
      request_id: notes.request_id,
      user_id: notes.user_id,
      result_code: notes.result_code,
      // Which budget, which field, which limit: what the client is told besides.
      ...(thrown instanceof Refusal && thrown.metadata),
      cause: causeOf(thrown),
    };
    if (isOurFault(thrown)) log.error("call", fields);
    else log.info("call", fields);
  };
}

/** Why, for the operator alone: it never left with the response. */
function causeOf(thrown: unknown): string | undefined {
  if (thrown === undefined) return undefined;
  const cause = thrown instanceof Refusal || thrown instanceof ConnectError ? thrown.cause : thrown;
  return cause === undefined ? undefined : describeCause(cause);
}

/** An error of the protocol is the client's, whatever its code: `internal` is what the protocols say of some broken frames. */
function isOurFault(thrown: unknown): boolean {
  return thrown !== undefined && reasonOf(thrown) === "INTERNAL";
}
